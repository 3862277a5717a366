package io.lethe.api;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.lethe.state.ModelState;
import io.lethe.state.Phase;
import io.lethe.state.RequestState;
import io.lethe.topology.BlockingModel;
import io.lethe.topology.StreamApp.Place;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.apache.kafka.streams.errors.InvalidStateStoreException;

/**
 * Asks the models that a request waits for whether they wait for a person: in the stores of this
 * instance, or the instances that have them, all at once, not for long, and the first hundred of
 * them. A status that says nothing of a model is of more use than none.
 */
final class BlockingModels {
  /** For one status: who asks often after a request of thousands must not make thousands ask. */
  static final int MOST_ASKED = 100;

  private static final int OK = 200;
  private static final int NOT_FOUND = 404;
  private static final ObjectMapper MAPPER = new ObjectMapper();

  private final Duration patience;
  private final Function<String, Place> places;
  private final Function<String, Optional<ModelState>> models;
  private final HttpClient client;

  /**
   * @param patience with other instances
   * @param places where a model's state is
   * @param models those of this instance
   */
  BlockingModels(
      Duration patience,
      Function<String, Place> places,
      Function<String, Optional<ModelState>> models) {
    this.patience = patience;
    this.places = places;
    this.models = models;
    client = HttpClient.newBuilder().connectTimeout(patience).build();
  }

  /** Those that are stopped, and those that do not answer, in the order of the request's models. */
  List<BlockingModel> of(RequestState request) {
    List<CompletableFuture<Optional<BlockingModel>>> asked = new ArrayList<>();
    BlockingModel.awaited(request).stream()
        .limit(MOST_ASKED)
        .forEach(modelId -> asked.add(ask(modelId)));
    return asked.stream().map(CompletableFuture::join).flatMap(Optional::stream).toList();
  }

  private CompletableFuture<Optional<BlockingModel>> ask(String modelId) {
    Optional<BlockingModel> unreachable = Optional.of(BlockingModel.unreachable(modelId));
    try {
      Place place = places.apply(modelId);
      if (place.here()) {
        return CompletableFuture.completedFuture(models.apply(modelId).flatMap(BlockingModel::of));
      }
      return place.url().isEmpty()
          ? CompletableFuture.completedFuture(unreachable)
          : askAt(place.url().get(), modelId)
              .completeOnTimeout(unreachable, patience.toMillis(), TimeUnit.MILLISECONDS)
              .exceptionally(error -> unreachable);
    } catch (InvalidStateStoreException e) {
      return CompletableFuture.completedFuture(unreachable);
    }
  }

  private CompletableFuture<Optional<BlockingModel>> askAt(URI owner, String modelId) {
    String path = "/v1/models/" + URLEncoder.encode(modelId, StandardCharsets.UTF_8);
    HttpRequest request =
        HttpRequest.newBuilder(URI.create(owner + path.replace("+", "%20")))
            .timeout(patience)
            .build();
    return client
        .sendAsync(request, HttpResponse.BodyHandlers.ofString())
        .thenApply(response -> read(modelId, response));
  }

  private static Optional<BlockingModel> read(String modelId, HttpResponse<String> response) {
    if (response.statusCode() == NOT_FOUND) {
      return Optional.empty(); // its registration is yet to come to it
    }
    if (response.statusCode() != OK) {
      return Optional.of(BlockingModel.unreachable(modelId));
    }
    try {
      JsonNode model = MAPPER.readTree(response.body());
      JsonNode jobId = model.path("jobId");
      return BlockingModel.of(
          modelId,
          Phase.valueOf(model.path("phase").asText()),
          jobId.isTextual() ? Optional.of(UUID.fromString(jobId.asText())) : Optional.empty());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
