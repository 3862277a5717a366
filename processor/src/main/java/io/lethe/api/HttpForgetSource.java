package io.lethe.api;

import io.lethe.heldout.ForgetSetUnavailableException;
import io.lethe.heldout.ForgetSource;
import io.lethe.schemas.serde.StateSerde;
import io.lethe.state.ForgetSet;
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.UUID;
import org.apache.kafka.common.errors.SerializationException;

/** Reads forget sets from the API of a stream instance, following it to the model's owner. */
public final class HttpForgetSource implements ForgetSource {
  private static final Duration TIMEOUT = Duration.ofMinutes(2);
  private static final int OK = 200;
  private static final int GONE = 410;

  private final HttpClient client =
      HttpClient.newBuilder()
          .connectTimeout(Duration.ofSeconds(10))
          .followRedirects(HttpClient.Redirect.NORMAL)
          .build();
  private final StateSerde<ForgetSet> serde = StateSerde.of(ForgetSet.class);
  private final URI base;

  /**
   * @param base any stream instance, e.g. {@code http://stream:8080}
   */
  public HttpForgetSource(URI base) {
    this.base = base;
  }

  @Override
  public ForgetSet forgetSet(String modelId, String anchorId, UUID jobId) {
    URI uri =
        base.resolve(
            "/v1/models/%s/jobs/%s/forget-set?anchor=%s"
                .formatted(encoded(modelId), jobId, encoded(anchorId)));
    try {
      HttpResponse<byte[]> response =
          client.send(
              HttpRequest.newBuilder(uri).timeout(TIMEOUT).build(),
              HttpResponse.BodyHandlers.ofByteArray());
      if (response.statusCode() == GONE) {
        throw ForgetSetUnavailableException.obsolete();
      }
      if (response.statusCode() != OK) {
        throw new ForgetSetUnavailableException(
            "GET " + uri + " answered " + response.statusCode(), null);
      }
      return serde.deserializer().deserialize("", response.body());
    } catch (IOException e) {
      throw new ForgetSetUnavailableException("GET " + uri + " failed: " + e.getMessage(), e);
    } catch (SerializationException e) {
      throw new ForgetSetUnavailableException("GET " + uri + " answered with something else", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new ForgetSetUnavailableException("interrupted while reading a forget set", e);
    }
  }

  private static String encoded(String part) {
    return URLEncoder.encode(part, StandardCharsets.UTF_8).replace("+", "%20");
  }
}
