package io.lethe.bench;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lethe.events.DeletionRequest;
import io.lethe.events.JobKind;
import io.lethe.events.Regulation;
import io.lethe.events.Selector;
import io.lethe.events.SelectorKind;
import io.lethe.events.UnlearningJob;
import io.lethe.fisher.FisherDiagonal;
import io.lethe.state.ModelState;
import io.lethe.terminal.ProcessMemory;
import io.lethe.terminal.Terminal;
import io.lethe.topics.KafkaSettings;
import io.lethe.topics.Topics;
import io.lethe.topology.StreamApp;
import io.lethe.topology.StreamProfile;
import io.lethe.topology.StreamSettings;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.apache.kafka.streams.errors.InvalidStateStoreException;

/**
 * What a growing number of pending tasks costs: requests on single samples for models whose batches
 * do not fire, of which several were trained on the same data, so that a request makes as many
 * tasks. The rate and the memory of each step show whether either depends on how many wait.
 */
public final class PendingBench {
  private static final double NANOS = 1e9;
  private static final int ANCHOR_SAMPLES = 100_000_000;

  private final Settings settings;
  private final Terminal terminal;

  /**
   * @param pending tasks in the end
   * @param models that they are spread over
   * @param tasksPerRequest models that are trained on the same data
   * @param steps that are timed, each of as many tasks
   * @param warmUp tasks before them, which also go on waiting
   * @param threads stream threads
   * @param folder on the disk to measure on
   */
  public record Settings(
      int pending,
      int models,
      int tasksPerRequest,
      int steps,
      int warmUp,
      int threads,
      Path folder) {
    public Settings {
      if (tasksPerRequest < 1 || models < 1 || models % tasksPerRequest != 0) {
        throw new IllegalArgumentException(
            "bench stream --pending takes a number of models that --tasks-per-request divides");
      }
      if (steps < 2 || pending < steps * tasksPerRequest || warmUp < 0 || threads < 1) {
        throw new IllegalArgumentException(
            "bench stream --pending takes at least two steps, and a request for each");
      }
    }

    /** Requests of a step. */
    int step() {
      return pending / steps / tasksPerRequest;
    }

    int warmUpRequests() {
      return warmUp / tasksPerRequest;
    }

    int datasets() {
      return models / tasksPerRequest;
    }
  }

  public PendingBench(Settings settings, Terminal terminal) {
    this.settings = settings;
    this.terminal = terminal;
  }

  /** Tasks per second and memory of each step, and the last step's rate beside the first's. */
  public ObjectNode run() throws IOException {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    ArrayNode steps = json.putArray("steps");
    try (Cluster cluster = Cluster.start(settings.folder(), Map.of())) {
      KafkaSettings kafka = cluster.kafka();
      Topics topics = cluster.topics("pending.");
      StreamSettings streams =
          cluster.settings("pending", StreamProfile.THROUGHPUT, null, settings.threads());
      try (Sender sender = new Sender(kafka);
          StreamApp app = cluster.app(streams, topics, true);
          Responder responder = Responder.start(kafka, topics, PendingBench::tiny)) {
        app.start();
        Load load = new Load(topics, sender, settings.models(), settings.tasksPerRequest());
        load.registerModels(Integer.MAX_VALUE, Duration.ofDays(365));
        load.awaitCollecting(app);
        send(app, sender, topics, 0, settings.warmUpRequests());
        for (int step = 0; step < settings.steps(); step++) {
          steps.add(step(step, app, sender, topics));
        }
      }
    }
    double first = steps.get(0).get("eventsPerSecond").asDouble();
    double last = steps.get(steps.size() - 1).get("eventsPerSecond").asDouble();
    json.put("pending", tasks(settings.warmUpRequests() + settings.step() * settings.steps()));
    json.put("warmUp", tasks(settings.warmUpRequests()));
    json.put("models", settings.models());
    json.put("tasksPerRequest", settings.tasksPerRequest());
    json.put("threads", settings.threads());
    json.put("lastToFirst", last / first);
    return json;
  }

  private long tasks(int requests) {
    return (long) requests * settings.tasksPerRequest();
  }

  private ObjectNode step(int step, StreamApp app, Sender sender, Topics topics) {
    int from = settings.warmUpRequests() + step * settings.step();
    int to = from + settings.step();
    long began = System.nanoTime();
    CpuTimes before = CpuTimes.now();
    send(app, sender, topics, from, to);
    double rate = tasks(settings.step()) / ((System.nanoTime() - began) / NANOS);
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("pending", tasks(to));
    json.put("eventsPerSecond", rate);
    json.set(
        "cpuMicrosPerTask", CpuTimes.now().since(before, Math.toIntExact(tasks(settings.step()))));
    System.gc(); // what is left is held
    Runtime runtime = Runtime.getRuntime();
    json.put("heapMiB", (runtime.totalMemory() - runtime.freeMemory()) >> 20);
    ProcessMemory.residentMiB().ifPresent(mib -> json.put("rssMiB", mib));
    ProcessMemory.peakRssMiB().ifPresent(mib -> json.put("peakRssMiB", mib));
    terminal.line(
        "  %s pending: %s/s, %s MiB resident, of it %s MiB live heap"
            .formatted(
                Terminal.count(tasks(to)),
                Terminal.count(rate),
                json.path("rssMiB").asText("?"),
                json.path("heapMiB").asText()));
    return json;
  }

  /** Returns when the tasks of the requests wait. */
  private void send(StreamApp app, Sender sender, Topics topics, int from, int to) {
    for (int i = from; i < to; i++) {
      DeletionRequest request = request(i);
      sender.send(topics.deletionRequests(), request.getRequestId().toString(), request);
    }
    sender.flush();
    awaitPending(app, to);
  }

  /** One model after the other: to look at all of them again and again would be the load itself. */
  private void awaitPending(StreamApp app, int requests) {
    for (int model = 0; model < settings.models(); model++) {
      String modelId = Load.modelId(model);
      int dataset = model / settings.tasksPerRequest();
      int expected =
          requests / settings.datasets() + (dataset < requests % settings.datasets() ? 1 : 0);
      Cluster.await("the tasks of " + modelId, () -> pending(app, modelId) >= expected);
    }
  }

  private static int pending(StreamApp app, String modelId) {
    try {
      return app.model(modelId).map(ModelState::getPendingRequests).orElse(0);
    } catch (InvalidStateStoreException e) {
      return 0; // while it rebalances
    }
  }

  private DeletionRequest request(int number) {
    return DeletionRequest.newBuilder()
        .setRequestId(new UUID(0x4000L, number | Long.MIN_VALUE))
        .setSelector(
            Selector.newBuilder()
                .setKind(SelectorKind.SAMPLES)
                .setDatasetId(Load.datasetId(number % settings.datasets()))
                .setSampleIds(List.of("sample-" + number))
                .build())
        .setRegulation(Regulation.GDPR)
        .setReceivedAt(Instant.now())
        .build();
  }

  private static FisherDiagonal tiny(UnlearningJob job) {
    long samples = job.getKind() == JobKind.ANCHOR ? ANCHOR_SAMPLES : job.getSampleIds().size();
    return new FisherDiagonal(
        List.of(new FisherDiagonal.Tensor("weight", List.of(4L), new float[4])), samples);
  }
}
