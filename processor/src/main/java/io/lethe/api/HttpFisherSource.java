package io.lethe.api;

import io.lethe.fisher.FisherDiagonal;
import io.lethe.fisher.FisherSource;
import io.lethe.fisher.FisherSums;
import io.lethe.fisher.FisherUnavailableException;
import io.lethe.fisher.SafetensorsFile;
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;

/** Reads Fisher sums from the API of a stream instance, following it to the model's owner. */
public final class HttpFisherSource implements FisherSource {
  private static final Duration TIMEOUT = Duration.ofMinutes(2);
  private static final int OK = 200;

  private final HttpClient client =
      HttpClient.newBuilder()
          .connectTimeout(Duration.ofSeconds(10))
          .followRedirects(HttpClient.Redirect.NORMAL)
          .build();
  private final URI base;
  private final Path scratch;

  /**
   * @param base any stream instance, e.g. {@code http://stream:8080}
   * @param scratch folder for the files while they are read
   */
  public HttpFisherSource(URI base, Path scratch) {
    this.base = base;
    this.scratch = scratch;
  }

  @Override
  public FisherSums sums(String modelId, String anchorId) {
    return new FisherSums(read(modelId, anchorId, "retained"), read(modelId, anchorId, "erased"));
  }

  private FisherDiagonal read(String modelId, String anchorId, String sum) {
    String path = URLEncoder.encode(modelId, StandardCharsets.UTF_8).replace("+", "%20");
    URI uri = base.resolve("/v1/models/" + path + "/fisher?sum=" + sum);
    try {
      Files.createDirectories(scratch);
      Path file = Files.createTempFile(scratch, "fisher", ".safetensors");
      try {
        HttpResponse<Path> response =
            client.send(
                HttpRequest.newBuilder(uri).timeout(TIMEOUT).build(),
                HttpResponse.BodyHandlers.ofFile(file));
        if (response.statusCode() != OK) {
          throw new FisherUnavailableException(
              "GET " + uri + " answered " + response.statusCode(), null);
        }
        try (SafetensorsFile tensors = SafetensorsFile.open(file)) {
          if (!anchorId.equals(tensors.metadata().get("anchor"))) {
            throw new FisherUnavailableException("the model has another anchor by now", null);
          }
        }
        return SafetensorsFile.readDiagonal(file);
      } finally {
        Files.deleteIfExists(file);
      }
    } catch (IOException e) {
      throw new FisherUnavailableException("GET " + uri + " failed: " + e.getMessage(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new FisherUnavailableException("interrupted while reading Fisher sums", e);
    }
  }
}
