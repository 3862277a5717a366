package io.lethe.bench;

import static io.lethe.topology.StreamProfile.LATENCY;
import static io.lethe.topology.StreamProfile.THROUGHPUT;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lethe.events.DeletionRequest;
import io.lethe.events.JobKind;
import io.lethe.events.UnlearningJob;
import io.lethe.fisher.FisherDiagonal;
import io.lethe.terminal.ProcessMemory;
import io.lethe.terminal.Terminal;
import io.lethe.topics.KafkaSettings;
import io.lethe.topics.Topic;
import io.lethe.topics.Topics;
import io.lethe.topology.StreamApp;
import io.lethe.topology.StreamProfile;
import io.lethe.topology.StreamSettings;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.IntFunction;

/**
 * Deletion requests end to end, from the request's topic to the receipt's: intake, batching and
 * tracking with persistent stores and {@code exactly_once_v2}, jobs answered at once by a
 * responder; and in the same run a topology that only passes requests on. Producer, broker,
 * topology and consumer share this process and its cores.
 */
public final class StreamBench {
  private static final double NANOS = 1e9;
  private static final double MILLIS = 1e6;
  private static final int ANCHOR_SAMPLES = 100_000_000;
  private static final int WARM_UP_EVENTS = 40;
  private static final Duration SHORT_AGE = Duration.ofMillis(500);

  private final Settings settings;
  private final Terminal terminal;

  /**
   * @param requests requests of the throughput profile
   * @param warmUp requests before them that are not timed: until the JIT compiler has done its work
   * @param models models that they are spread over
   * @param batch requests at which a batch fires in the throughput profile
   * @param threads stream threads
   * @param throughputCommit commit interval in place of the throughput profile's; null: that
   * @param latencyCommit commit interval in place of the latency profile's; null: that
   * @param latencyEvents events that are timed, one after the other
   * @param signed whether receipts are signed, as they are in service
   * @param kafka Kafka's settings over the program's own, by Kafka's names
   * @param folder on the disk to measure on
   */
  public record Settings(
      int requests,
      int warmUp,
      int models,
      int batch,
      int threads,
      Duration throughputCommit,
      Duration latencyCommit,
      int latencyEvents,
      boolean signed,
      Map<String, String> kafka,
      Path folder) {
    public Settings {
      kafka = Map.copyOf(kafka);
      if (requests < 1
          || warmUp < 1
          || models < 1
          || batch < 1
          || threads < 1
          || latencyEvents < 1) {
        throw new IllegalArgumentException("bench stream takes positive counts");
      }
    }
  }

  public StreamBench(Settings settings, Terminal terminal) {
    this.settings = settings;
    this.terminal = terminal;
  }

  /** Requests per second and latencies, of the topology and of the pass-through. */
  public ObjectNode run() throws IOException {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    ObjectNode passThrough = JsonNodeFactory.instance.objectNode();
    try (Cluster cluster = Cluster.start(settings.folder(), settings.kafka())) {
      throughput(cluster, json, passThrough);
      latency(cluster, json, passThrough);
    }
    json.set("passThrough", passThrough);
    json.put(
        "ratio",
        json.get("eventsPerSecond").asDouble() / passThrough.get("eventsPerSecond").asDouble());
    json.put("signed", settings.signed());
    ObjectNode kafka = json.putObject("kafka");
    settings.kafka().forEach(kafka::put);
    ObjectNode profiles = json.putObject("profiles");
    ObjectNode throughput = profiles.putObject("throughput");
    throughput.put("requests", settings.requests());
    throughput.put("warmUp", settings.warmUp());
    throughput.put("models", settings.models());
    throughput.put("batch", settings.batch());
    throughput.put("threads", settings.threads());
    throughput.put("commitIntervalMillis", millis(settings.throughputCommit(), THROUGHPUT));
    ObjectNode latency = profiles.putObject("latency");
    latency.put("events", settings.latencyEvents());
    latency.put("commitIntervalMillis", millis(settings.latencyCommit(), LATENCY));
    ProcessMemory.peakRssMiB().ifPresent(mib -> json.put("peakRssMiB", mib));
    return json;
  }

  private static long millis(Duration commit, StreamProfile profile) {
    return (commit == null ? profile.commitInterval() : commit).toMillis();
  }

  private static FisherDiagonal tiny(UnlearningJob job) {
    long samples = job.getKind() == JobKind.ANCHOR ? ANCHOR_SAMPLES : job.getSampleIds().size();
    return new FisherDiagonal(
        List.of(new FisherDiagonal.Tensor("weight", List.of(4L), new float[4])), samples);
  }

  private void throughput(Cluster cluster, ObjectNode json, ObjectNode passThrough) {
    KafkaSettings kafka = cluster.kafka();
    Topics topics = cluster.topics("throughput.");
    StreamSettings streamSettings = throughputSettings(cluster, "throughput");
    int requests = settings.requests();
    int warm = settings.warmUp();
    try (Sender sender = new Sender(kafka)) {
      Load load = new Load(topics, sender, settings.models());
      try (StreamApp app = cluster.app(streamSettings, topics, settings.signed());
          Responder responder = Responder.start(kafka, topics, StreamBench::tiny)) {
        app.start();
        load.registerModels(settings.batch(), SHORT_AGE);
        load.awaitCollecting(app);
        terminal.line("  publishing lineage of " + Terminal.count(warm + (double) requests));
        for (int subject = 0; subject < warm + requests; subject++) {
          load.lineage(subject);
        }
        sender.flush();
        try (Arrivals receipts = new Arrivals(kafka, topics.erasureReceipts())) {
          rate(sender, topics.deletionRequests(), receipts, warm, load::request);
          terminal.line("  timing " + Terminal.count(requests));
          CpuTimes before = CpuTimes.now();
          double rate =
              rate(
                  sender,
                  topics.deletionRequests(),
                  receipts,
                  requests,
                  i -> load.request(warm + i));
          json.put("eventsPerSecond", rate);
          json.set("cpuMicrosPerRequest", CpuTimes.now().since(before, requests));
          terminal.line("  requests to receipts  %s/s".formatted(Terminal.count(rate)));
        }
      }
      try (PassThrough pass =
              PassThrough.start(
                  kafka, topics.deletionRequests(), throughputSettings(cluster, "pass"));
          Arrivals passed = new Arrivals(kafka, pass.out())) {
        rate(sender, pass.in(), passed, warm, load::request);
        CpuTimes before = CpuTimes.now();
        double rate = rate(sender, pass.in(), passed, requests, load::request);
        passThrough.set("cpuMicrosPerRequest", CpuTimes.now().since(before, requests));
        passThrough.put("eventsPerSecond", rate);
        terminal.line("  pass-through          %s/s".formatted(Terminal.count(rate)));
      }
    }
  }

  private StreamSettings throughputSettings(Cluster cluster, String name) {
    return cluster.settings(name, THROUGHPUT, settings.throughputCommit(), settings.threads());
  }

  private StreamSettings latencySettings(Cluster cluster, String name) {
    return cluster.settings(name, LATENCY, settings.latencyCommit(), settings.threads());
  }

  /** Sends as fast as it can; the clock stops when the last one's end has arrived. */
  private static double rate(
      Sender sender,
      Topic<String, DeletionRequest> topic,
      Arrivals ends,
      int count,
      IntFunction<DeletionRequest> requests) {
    long began = System.nanoTime();
    Thread thread =
        new Thread(
            () -> {
              for (int i = 0; i < count; i++) {
                send(sender, topic, requests.apply(i));
              }
              sender.flush();
            },
            "lethe-bench-sender");
    thread.start();
    ends.await(count);
    return count / ((System.nanoTime() - began) / NANOS);
  }

  private static void send(
      Sender sender, Topic<String, DeletionRequest> topic, DeletionRequest request) {
    sender.send(topic, request.getSelector().getSubjectId().orElseThrow(), request);
  }

  private void latency(Cluster cluster, ObjectNode json, ObjectNode passThrough) {
    KafkaSettings kafka = cluster.kafka();
    Topics topics = cluster.topics("latency.");
    int events = WARM_UP_EVENTS + settings.latencyEvents();
    try (Sender sender = new Sender(kafka)) {
      Load load = new Load(topics, sender, 1);
      try (StreamApp app =
              cluster.app(latencySettings(cluster, "latency"), topics, settings.signed());
          Responder responder = Responder.start(kafka, topics, StreamBench::tiny)) {
        app.start();
        load.registerModels(1, Duration.ofHours(1));
        load.awaitCollecting(app);
        for (int subject = 0; subject < events; subject++) {
          load.lineage(subject);
        }
        sender.flush();
        try (Arrivals receipts = new Arrivals(kafka, topics.erasureReceipts())) {
          Topic<String, DeletionRequest> in = topics.deletionRequests();
          double[] withJob =
              times(
                  events,
                  i -> load.request(i),
                  request -> roundTrip(sender, in, receipts, request));
          // Subject 0 is forgotten by now: intake, batching and tracking answer without a job.
          double[] plain =
              times(
                  events,
                  i -> load.request(0),
                  request -> roundTrip(sender, in, receipts, request));
          put(json, plain);
          put(json.putObject("withJob"), withJob);
          line("request to receipt, no job", plain);
          line("request to receipt, job", withJob);
        }
      }
      try (PassThrough pass =
              PassThrough.start(
                  kafka, topics.deletionRequests(), latencySettings(cluster, "latency-pass"));
          Arrivals passed = new Arrivals(kafka, pass.out())) {
        double[] plain =
            times(
                events,
                load::request,
                request -> {
                  send(sender, pass.in(), request);
                  passed.await(request.getSelector().getSubjectId().orElseThrow());
                });
        put(passThrough, plain);
        line("pass-through", plain);
      }
    }
  }

  private static void roundTrip(
      Sender sender,
      Topic<String, DeletionRequest> topic,
      Arrivals receipts,
      DeletionRequest request) {
    send(sender, topic, request);
    receipts.await(request.getRequestId().toString());
  }

  /** Does one event at a time. */
  private interface Event {
    void await(DeletionRequest request);
  }

  /** Milliseconds of each event after the first ones. */
  private static double[] times(int events, IntFunction<DeletionRequest> requests, Event event) {
    double[] millis = new double[events - WARM_UP_EVENTS];
    for (int i = 0; i < events; i++) {
      DeletionRequest request = requests.apply(i);
      long began = System.nanoTime();
      event.await(request);
      if (i >= WARM_UP_EVENTS) {
        millis[i - WARM_UP_EVENTS] = (System.nanoTime() - began) / MILLIS;
      }
    }
    return millis;
  }

  private static void put(ObjectNode json, double[] millis) {
    json.put("p50Millis", Figures.percentile(millis, 0.5));
    json.put("p95Millis", Figures.percentile(millis, 0.95));
    json.put("p99Millis", Figures.percentile(millis, 0.99));
  }

  private void line(String what, double[] millis) {
    terminal.line(
        String.format(
            Locale.ROOT,
            "  %-28s p50 %.1f ms, p95 %.1f ms, p99 %.1f ms",
            what,
            Figures.percentile(millis, 0.5),
            Figures.percentile(millis, 0.95),
            Figures.percentile(millis, 0.99)));
  }
}
