package io.lethe.bench;

import io.lethe.attestation.Attestor;
import io.lethe.attestation.SigningKey;
import io.lethe.batching.BatchingSettings;
import io.lethe.embedded.EmbeddedBroker;
import io.lethe.intake.IntakeSettings;
import io.lethe.registry.EmbeddedSchemaRegistry;
import io.lethe.topics.KafkaSettings;
import io.lethe.topics.Topics;
import io.lethe.topology.StreamApp;
import io.lethe.topology.StreamProfile;
import io.lethe.topology.StreamSettings;
import io.lethe.tracking.TrackingSettings;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Map;
import java.util.function.BooleanSupplier;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;

/**
 * A broker and a schema registry in this process, in a folder of their own that goes at the end.
 */
final class Cluster implements AutoCloseable {
  static final int PARTITIONS = 4;
  private static final int STORE_MEMORY_MIB = 256;
  private static final Duration PATIENCE = Duration.ofMinutes(5);
  private static final long POLL_MILLIS = 5;

  private final Path folder;
  private final EmbeddedBroker broker;
  private final EmbeddedSchemaRegistry registry;
  private final Attestor attestor;
  private final Map<String, String> clients;

  private Cluster(
      Path folder,
      EmbeddedBroker broker,
      EmbeddedSchemaRegistry registry,
      Map<String, String> clients) {
    this.clients = Map.copyOf(clients);
    this.folder = folder;
    this.broker = broker;
    this.registry = registry;
    this.attestor = new Attestor(SigningKey.loadOrCreate(folder.resolve("signing.pem")));
  }

  /**
   * @param parent folder on the disk to measure on
   * @param clients Kafka's settings over the program's own
   */
  static Cluster start(Path parent, Map<String, String> clients) throws IOException {
    Path folder = Files.createTempDirectory(parent, "lethe-bench-");
    EmbeddedBroker broker = EmbeddedBroker.start(folder.resolve("broker"), 0);
    return new Cluster(
        folder, broker, EmbeddedSchemaRegistry.start(broker.bootstrapServers(), 0), clients);
  }

  Path folder() {
    return folder;
  }

  KafkaSettings kafka() {
    Map<String, String> kafka = new HashMap<>(clients);
    kafka.put("bootstrap.servers", broker.bootstrapServers());
    return new KafkaSettings(kafka, Map.of("schema.registry.url", registry.url()));
  }

  Topics topics(String prefix) {
    return new Topics(prefix, kafka().registry());
  }

  /**
   * The program's own topology with its own guarantees; the caller starts and closes it.
   *
   * @param settings of {@link #settings}
   * @param signed whether versions and receipts are signed, as they are in service
   */
  StreamApp app(StreamSettings settings, Topics topics, boolean signed) {
    return new StreamApp(
        settings,
        IntakeSettings.DEFAULTS,
        BatchingSettings.DEFAULTS,
        TrackingSettings.DEFAULTS,
        kafka(),
        topics,
        signed ? attestor::attest : UnaryOperator.identity(),
        signed ? attestor::attest : UnaryOperator.identity());
  }

  /**
   * The program's own settings but for what is given.
   *
   * @param commit in place of the profile's; null: the profile's
   */
  StreamSettings settings(String name, StreamProfile profile, Duration commit, int threads) {
    return new StreamSettings(
        name,
        name,
        stateDirectory(name),
        profile,
        commit,
        threads,
        PARTITIONS,
        0,
        STORE_MEMORY_MIB,
        (short) 1,
        URI.create("http://127.0.0.1:1"));
  }

  Path stateDirectory(String name) {
    return folder.resolve("state-" + name);
  }

  /**
   * @throws IllegalStateException when it does not come true in minutes
   */
  static void await(String what, BooleanSupplier condition) {
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() > deadline) {
        throw new IllegalStateException("waited in vain for " + what);
      }
      try {
        Thread.sleep(POLL_MILLIS);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IllegalStateException("interrupted while waiting for " + what, e);
      }
    }
  }

  static void delete(Path folder) throws IOException {
    if (Files.exists(folder)) {
      try (Stream<Path> files = Files.walk(folder)) {
        files.sorted(Comparator.reverseOrder()).forEach(Cluster::deleteFile);
      }
    }
  }

  private static void deleteFile(Path file) {
    try {
      Files.deleteIfExists(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public void close() throws IOException {
    registry.close();
    broker.close();
    delete(folder);
  }
}
