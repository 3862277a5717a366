package io.lethe.roles;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.lethe.embedded.EmbeddedBroker;
import io.lethe.embedded.Loopback;
import io.lethe.events.DatasetLineage;
import io.lethe.events.DeletionRequest;
import io.lethe.events.ErasureReceipt;
import io.lethe.events.LineageKey;
import io.lethe.events.Selector;
import io.lethe.events.SelectorKind;
import io.lethe.registry.EmbeddedSchemaRegistry;
import io.lethe.topics.EventProducer;
import io.lethe.topics.KafkaSettings;
import io.lethe.topics.TopicReader;
import io.lethe.topics.Topics;
import io.micronaut.context.ApplicationContext;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The registry goes away while requests keep arriving: nothing is lost or answered twice, what is
 * cached goes on, and a record of a schema that the stream has not seen waits for the registry, and
 * its thread with it.
 */
class RegistryOutageUnderLoadIT {
  private static final Duration PATIENCE = Duration.ofMinutes(2);
  private static final int REQUESTS_PER_PHASE = 60;
  private static final Duration INTERVAL = Duration.ofMillis(50);

  /**
   * How long the registry is away at least; {@code -Dlethe.outage.seconds=120} for the long run.
   */
  private static final Duration OUTAGE =
      Duration.ofSeconds(Long.getLong("lethe.outage.seconds", 0));

  @TempDir Path directory;

  @Test
  void everyRequestGetsOneReceipt() throws Exception {
    try (EmbeddedBroker broker = EmbeddedBroker.start(directory.resolve("broker"), 0)) {
      EmbeddedSchemaRegistry registry = EmbeddedSchemaRegistry.start(broker.bootstrapServers(), 0);
      int port = registry.port();
      try (ApplicationContext stream = Roles.STREAM.start(configuration(broker, registry));
          Load load = new Load(stream);
          Receipts receipts = new Receipts(stream)) {
        // Given: requests went all the way, so that their schemas are known; lineage did not
        ProducerRecord<byte[], byte[]> lineage = lineage(stream);
        load.start();
        load.awaitMore();
        await()
            .dontCatchUncaughtExceptions()
            .atMost(PATIENCE)
            .until(() -> receipts.have(List.of(load.sent.get(0))));

        // When: it goes away
        registry.close();
        long gone = System.nanoTime();
        int before = load.sent.size();
        load.awaitMore();

        // Then: what is cached goes on without it
        List<UUID> without = List.copyOf(load.sent).subList(before, before + REQUESTS_PER_PHASE);
        await().dontCatchUncaughtExceptions().atMost(PATIENCE).until(() -> receipts.have(without));

        // When: a record needs it
        send(stream, lineage);
        load.awaitMore();

        // Then: the record waits, however long it takes
        await()
            .dontCatchUncaughtExceptions()
            .atMost(OUTAGE.plus(PATIENCE))
            .until(() -> System.nanoTime() - gone >= OUTAGE.toNanos());
        assertThat(consumedLineage(stream)).isZero();

        // When: it comes back
        EmbeddedSchemaRegistry again =
            EmbeddedSchemaRegistry.start(broker.bootstrapServers(), port);
        try (again) {
          await()
              .dontCatchUncaughtExceptions()
              .atMost(PATIENCE)
              .until(() -> consumedLineage(stream) == 1);
          load.awaitMore();
          load.close();

          // Then
          await()
              .dontCatchUncaughtExceptions()
              .atMost(PATIENCE)
              .until(() -> receipts.have(load.sent));
          assertThat(receipts.counts)
              .hasSameSizeAs(load.sent)
              .allSatisfy((id, n) -> assertThat(n).isEqualTo(1));
          assertThat(deadLetters(stream)).isZero();
        }
      }
    }
  }

  private Map<String, Object> configuration(
      EmbeddedBroker broker, EmbeddedSchemaRegistry registry) {
    return Map.of(
        "kafka.bootstrap.servers", broker.bootstrapServers(),
        "schema.registry.url", registry.url(),
        "kafka.max.retries", "1",
        "kafka.retries.wait.ms", "100",
        // A thread that is replaced is a new member: its predecessor must time out first.
        "kafka.session.timeout.ms", "6000",
        "lethe.data-dir", directory.resolve("stream").toString(),
        "lethe.stream.commit-interval", "25ms",
        "lethe.intake.grace", "100ms",
        "lethe.intake.tick", "50ms",
        "micronaut.server.port", Loopback.claim(0));
  }

  /**
   * Requests on people whom no model holds, one after the other: each is denied after the grace.
   */
  private static final class Load implements AutoCloseable {
    private final List<UUID> sent = new CopyOnWriteArrayList<>();
    private final ScheduledExecutorService thread = Executors.newSingleThreadScheduledExecutor();
    private final Topics topics;
    private final EventProducer producer;

    Load(ApplicationContext stream) {
      topics = stream.getBean(Topics.class);
      producer = new EventProducer(stream.getBean(KafkaSettings.class));
    }

    void start() {
      var unused =
          thread.scheduleAtFixedRate(this::send, 0, INTERVAL.toMillis(), TimeUnit.MILLISECONDS);
    }

    private void send() {
      UUID id = UUID.randomUUID();
      String subject = "subject of " + id;
      producer
          .send(
              topics.deletionRequests(),
              subject,
              DeletionRequest.newBuilder()
                  .setRequestId(id)
                  .setSelector(
                      Selector.newBuilder()
                          .setKind(SelectorKind.SUBJECT)
                          .setSubjectId(subject)
                          .build())
                  .setReceivedAt(Clock.systemUTC().instant())
                  .build())
          .join();
      sent.add(id);
    }

    void awaitMore() {
      int before = sent.size();
      await()
          .dontCatchUncaughtExceptions()
          .atMost(PATIENCE)
          .until(() -> sent.size() >= before + REQUESTS_PER_PHASE);
    }

    /** Returns when nothing is being sent any more. */
    @Override
    public void close() throws InterruptedException {
      thread.shutdown();
      assertThat(thread.awaitTermination(1, TimeUnit.MINUTES)).isTrue();
      producer.close();
    }
  }

  /** How many receipts each request got so far. */
  private static final class Receipts implements AutoCloseable {
    private final Map<UUID, Integer> counts = new HashMap<>();
    private final TopicReader<String, ErasureReceipt> reader;

    Receipts(ApplicationContext stream) {
      reader =
          new TopicReader<>(
              stream.getBean(KafkaSettings.class), stream.getBean(Topics.class).erasureReceipts());
    }

    boolean have(List<UUID> requests) {
      reader
          .poll(Duration.ofMillis(100))
          .forEach(event -> counts.merge(event.value().getRequestId(), 1, Integer::sum));
      return counts.keySet().containsAll(requests);
    }

    @Override
    public void close() {
      reader.close();
    }
  }

  /** A record of lineage, made on a cache of its own: other settings, another cache. */
  private static ProducerRecord<byte[], byte[]> lineage(ApplicationContext stream) {
    Map<String, Object> settings = new HashMap<>(stream.getBean(KafkaSettings.class).registry());
    settings.put("retries.wait.ms", "101");
    var topic = new Topics("lethe.", settings).datasetLineage();
    return new ProducerRecord<>(
        topic.name(),
        0,
        topic.keySerde().serializer().serialize(topic.name(), new LineageKey("s", "d")),
        topic
            .valueSerde()
            .serializer()
            .serialize(
                topic.name(),
                new DatasetLineage("s", "d", List.of("1"), Clock.systemUTC().instant())));
  }

  private static void send(ApplicationContext stream, ProducerRecord<byte[], byte[]> record)
      throws Exception {
    try (KafkaProducer<byte[], byte[]> raw =
        new KafkaProducer<>(
            stream.getBean(KafkaSettings.class).producer(),
            new ByteArraySerializer(),
            new ByteArraySerializer())) {
      raw.send(record).get();
    }
  }

  /** Records of lineage that the stream is done with. */
  private static long consumedLineage(ApplicationContext stream) throws Exception {
    String topic = stream.getBean(Topics.class).datasetLineage().name();
    try (Admin admin = Admin.create(stream.getBean(KafkaSettings.class).admin())) {
      return admin
          .listConsumerGroupOffsets("lethe-stream")
          .partitionsToOffsetAndMetadata()
          .get()
          .entrySet()
          .stream()
          .filter(entry -> entry.getKey().topic().equals(topic) && entry.getValue() != null)
          .mapToLong(entry -> entry.getValue().offset())
          .sum();
    }
  }

  private static int deadLetters(ApplicationContext stream) {
    try (TopicReader<byte[], byte[]> reader =
        new TopicReader<>(
            stream.getBean(KafkaSettings.class), stream.getBean(Topics.class).deadLetters())) {
      return reader.poll(Duration.ofSeconds(1)).size();
    }
  }
}
