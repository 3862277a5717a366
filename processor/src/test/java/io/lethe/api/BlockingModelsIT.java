package io.lethe.api;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.sun.net.httpserver.HttpServer;
import io.lethe.events.RequestStatus;
import io.lethe.state.ModelState;
import io.lethe.state.Phase;
import io.lethe.state.RequestState;
import io.lethe.topology.BlockingModel;
import io.lethe.topology.StreamApp.Place;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.stream.IntStream;
import org.apache.kafka.streams.errors.InvalidStateStoreException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Models whose state another instance has. */
class BlockingModelsIT {
  private static final UUID JOB = new UUID(1, 2);
  private static final Place HERE = new Place(true, Optional.empty());
  private static final Place NOWHERE = new Place(false, Optional.empty());

  private HttpServer owner;
  private Place there;

  @BeforeEach
  void start() throws IOException {
    owner = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    owner.start();
    there =
        new Place(
            false, Optional.of(URI.create("http://127.0.0.1:" + owner.getAddress().getPort())));
  }

  @AfterEach
  void stop() {
    owner.stop(0);
  }

  private void says(String modelId, int status, String body) {
    owner.createContext(
        "/v1/models/" + modelId,
        exchange -> {
          byte[] answer = body.getBytes(UTF_8);
          exchange.sendResponseHeaders(status, answer.length);
          exchange.getResponseBody().write(answer);
          exchange.close();
        });
  }

  private static RequestState waitingFor(String... models) {
    return RequestState.newBuilder(OpenApi.requestState())
        .setStatus(RequestStatus.PENDING)
        .setModels(List.of(models))
        .setResults(List.of())
        .setProgress(List.of())
        .build();
  }

  private static ModelState parked() {
    return ModelState.newBuilder(OpenApi.modelState()).setPhase(Phase.PARKED).setJobId(JOB).build();
  }

  @Test
  void modelsOfOtherInstancesAreAskedThere() {
    // Given
    says("held", 200, "{\"phase\":\"HELD\",\"jobId\":\"" + JOB + "\"}");
    says("collecting", 200, "{\"phase\":\"COLLECTING\"}");
    says("unknown", 404, "{}");
    says("moving", 503, "{}");
    says("garbled", 200, "<html>");
    Map<String, Place> places =
        Map.of("handwriting", HERE, "nowhere", NOWHERE, "held", there, "collecting", there);
    BlockingModels models =
        new BlockingModels(
            Duration.ofSeconds(30),
            modelId -> places.getOrDefault(modelId, there),
            modelId -> Optional.of(parked()));

    // When
    List<BlockingModel> blocking =
        models.of(
            waitingFor(
                "collecting", "garbled", "handwriting", "held", "moving", "nowhere", "unknown"));

    // Then
    assertThat(blocking)
        .containsExactly(
            BlockingModel.unreachable("garbled"),
            new BlockingModel("handwriting", Optional.of(Phase.PARKED), Optional.of(JOB)),
            new BlockingModel("held", Optional.of(Phase.HELD), Optional.of(JOB)),
            BlockingModel.unreachable("moving"),
            BlockingModel.unreachable("nowhere"));
  }

  @Test
  void aStatusDoesNotWaitLongForAnInstanceNorFailByIt() {
    // Given: one that takes connections and never answers, and stores that are closed
    owner.createContext("/v1/models/silent", exchange -> {});
    BlockingModels models =
        new BlockingModels(
            Duration.ofMillis(200),
            modelId -> modelId.equals("silent") ? there : HERE,
            modelId -> {
              throw new InvalidStateStoreException("moves");
            });

    // When
    List<BlockingModel> blocking = models.of(waitingFor("closed", "silent"));

    // Then
    assertThat(blocking)
        .containsExactly(BlockingModel.unreachable("closed"), BlockingModel.unreachable("silent"));
  }

  @Test
  void notMoreModelsAreAskedThanAStatusIsWorth() {
    // Given
    List<String> asked = new ArrayList<>();
    BlockingModels models =
        new BlockingModels(
            Duration.ofSeconds(30),
            modelId -> HERE,
            modelId -> {
              asked.add(modelId);
              return Optional.of(parked());
            });

    // When
    List<BlockingModel> blocking =
        models.of(
            waitingFor(
                IntStream.range(0, BlockingModels.MOST_ASKED + 1)
                    .mapToObj(i -> "m" + i)
                    .toArray(String[]::new)));

    // Then
    assertThat(asked).hasSize(BlockingModels.MOST_ASKED).startsWith("m0", "m1");
    assertThat(blocking).hasSize(BlockingModels.MOST_ASKED);
  }
}
