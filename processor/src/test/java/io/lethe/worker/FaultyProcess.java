package io.lethe.worker;

import io.lethe.attestation.Attestor;
import io.lethe.attestation.SigningKey;
import io.lethe.batching.BatchingSettings;
import io.lethe.events.FisherEncoding;
import io.lethe.intake.IntakeSettings;
import io.lethe.topics.KafkaSettings;
import io.lethe.topics.Topics;
import io.lethe.topology.StreamApp;
import io.lethe.topology.StreamProfile;
import io.lethe.topology.StreamSettings;
import io.lethe.tracking.TrackingSettings;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * One instance of the topology, or one worker on {@link FakeModels}, as a process that a test
 * kills. Everything but the model is the program's own.
 */
final class FaultyProcess {
  private static final Duration LOCK = Duration.ofSeconds(2);
  private static final int STORE_MEMORY_MIB = 32;

  private FaultyProcess() {}

  /**
   * What a process needs to know.
   *
   * @param role {@code stream} or {@code worker}
   * @param id stable name of the instance
   * @param folder of all of them
   */
  record Place(
      String role,
      String id,
      String bootstrap,
      String registry,
      Path folder,
      int models,
      int subjects,
      int standbys) {
    List<String> arguments() {
      return List.of(
          role,
          id,
          bootstrap,
          registry,
          folder.toString(),
          Integer.toString(models),
          Integer.toString(subjects),
          Integer.toString(standbys));
    }

    static Place of(String[] args) {
      return new Place(
          args[0],
          args[1],
          args[2],
          args[3],
          Path.of(args[4]),
          Integer.parseInt(args[5]),
          Integer.parseInt(args[6]),
          Integer.parseInt(args[7]));
    }

    KafkaSettings kafka() {
      Map<String, String> kafka =
          new HashMap<>(
              Map.of(
                  "bootstrap.servers", bootstrap,
                  "main.consumer.session.timeout.ms", "3000",
                  "main.consumer.heartbeat.interval.ms", "500"));
      if (role.equals("worker")) {
        // Each chunk on its own way: small ones would else share a batch, and come all or none.
        kafka.put("batch.size", "0");
      }
      return new KafkaSettings(kafka, Map.of("schema.registry.url", registry));
    }

    Topics topics() {
      return new Topics("lethe.", kafka().registry());
    }
  }

  static Process start(Place place) throws IOException {
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx192m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-cp",
                System.getProperty(
                    "surefire.test.class.path", System.getProperty("java.class.path")),
                FaultyProcess.class.getName()));
    command.addAll(place.arguments());
    return new ProcessBuilder(command)
        .redirectErrorStream(true)
        .redirectOutput(
            ProcessBuilder.Redirect.appendTo(place.folder().resolve(place.id() + ".log").toFile()))
        .start();
  }

  public static void main(String[] args) throws InterruptedException {
    Place place = Place.of(args);
    if (place.role().equals("stream")) {
      stream(place).start();
    } else {
      worker(place).start();
    }
    Thread.currentThread().join();
  }

  /** An instance of the topology; the caller starts and closes it. */
  static StreamApp stream(Place place) {
    Attestor attestor = new Attestor(SigningKey.loadOrCreate(place.folder().resolve("key.pem")));
    return new StreamApp(
        new StreamSettings(
            "faults",
            place.id(),
            place.folder().resolve("state-" + place.id()),
            StreamProfile.THROUGHPUT,
            Duration.ofMillis(25),
            1,
            4,
            place.standbys(),
            STORE_MEMORY_MIB,
            (short) 1,
            URI.create("http://127.0.0.1:" + (1 + Math.abs(place.id().hashCode() % 60_000)))),
        IntakeSettings.DEFAULTS,
        new BatchingSettings(
            Duration.ofMillis(100),
            Duration.ofMillis(100),
            Duration.ofSeconds(30),
            BatchingSettings.DEFAULTS.silence(),
            BatchingSettings.DEFAULTS.maxSamplesPerJob(),
            BatchingSettings.DEFAULTS.minLead(),
            BatchingSettings.DEFAULTS.maxLead()),
        TrackingSettings.DEFAULTS,
        place.kafka(),
        place.topics(),
        attestor::attest,
        attestor::attest);
  }

  /** A worker; the caller starts and closes it. */
  static Worker worker(Place place) {
    FakeModels models = new FakeModels(place.models(), place.subjects());
    Worker.Runner runner = (job, progress) -> models.run(job);
    return new Worker(
        new WorkerSettings(
            place.id(),
            "faults-workers",
            place.folder().resolve("artifacts").toString(),
            place.folder().resolve("scratch-" + place.id()),
            LOCK,
            URI.create("http://127.0.0.1:1"),
            FisherEncoding.FLOAT32,
            "auto"),
        place.kafka(),
        place.topics(),
        runner,
        Clock.systemUTC());
  }
}
