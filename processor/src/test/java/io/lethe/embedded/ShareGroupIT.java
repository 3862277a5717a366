package io.lethe.embedded;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.AlterConfigOp.OpType;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.InvalidRecordStateException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What the workers rely on: one job at a time, held as long as it is renewed, given to another when
 * not.
 */
class ShareGroupIT {
  private static final Duration LOCK = Duration.ofSeconds(1);

  @TempDir static Path directory;
  private static EmbeddedBroker broker;

  @BeforeAll
  static void start() {
    broker = EmbeddedBroker.start(directory, 0);
  }

  @AfterAll
  static void stop() {
    broker.close();
  }

  @Test
  void aRenewedJobStaysWithItsWorkerAndOthersGetTheNext() throws Exception {
    // Given
    jobs("renewed", "job-0", "job-1");
    try (KafkaShareConsumer<String, String> busy = worker("renewed");
        KafkaShareConsumer<String, String> other = worker("renewed")) {
      ConsumerRecord<String, String> held = next(busy);

      // When: the job takes longer than three locks
      long end = System.nanoTime() + LOCK.multipliedBy(3).toNanos();
      String others = "";
      while (System.nanoTime() < end) {
        busy.acknowledge(held, AcknowledgeType.RENEW);
        assertThat(busy.commitSync().values()).containsExactly(Optional.empty());
        held = next(busy);
        for (ConsumerRecord<String, String> record : other.poll(LOCK.dividedBy(4))) {
          others += record.value();
          other.acknowledge(record, AcknowledgeType.ACCEPT);
          other.commitSync();
        }
      }

      // Then
      assertThat(held.value()).isEqualTo("job-0");
      assertThat(held.deliveryCount()).contains((short) 1);
      assertThat(others).isEqualTo("job-1");
      busy.acknowledge(held, AcknowledgeType.ACCEPT);
      assertThat(busy.commitSync().values()).containsExactly(Optional.empty());
    }
  }

  @Test
  void aJobWhoseWorkerFallsSilentGoesToAnotherAndIsLostToTheFirst() throws Exception {
    // Given
    jobs("silent", "job");
    try (KafkaShareConsumer<String, String> silent = worker("silent");
        KafkaShareConsumer<String, String> other = worker("silent")) {
      ConsumerRecord<String, String> taken = next(silent);

      // When
      ConsumerRecord<String, String> again = next(other);

      // Then
      assertThat(again.offset()).isEqualTo(taken.offset());
      assertThat(again.deliveryCount()).contains((short) 2);
      silent.acknowledge(taken, AcknowledgeType.ACCEPT);
      Map<?, Optional<KafkaException>> result = silent.commitSync();
      assertThat(result.values())
          .singleElement()
          .satisfies(e -> assertThat(e).containsInstanceOf(InvalidRecordStateException.class));
      other.acknowledge(again, AcknowledgeType.ACCEPT);
      other.commitSync();
    }
  }

  @Test
  void aReleasedJobComesAgainAndARejectedOneDoesNot() throws Exception {
    // Given
    jobs("released", "job-0", "job-1");
    try (KafkaShareConsumer<String, String> worker = worker("released")) {
      ConsumerRecord<String, String> job = next(worker);

      // When
      worker.acknowledge(job, AcknowledgeType.RELEASE);
      worker.commitSync();
      ConsumerRecord<String, String> again = next(worker);
      worker.acknowledge(again, AcknowledgeType.REJECT);
      worker.commitSync();
      ConsumerRecord<String, String> following = next(worker);

      // Then
      assertThat(again.value()).isEqualTo("job-0");
      assertThat(again.deliveryCount()).contains((short) 2);
      assertThat(following.value()).isEqualTo("job-1");
      assertThatThrownBy(() -> worker.poll(Duration.ZERO))
          .as("poll without an answer to the last record")
          .isInstanceOf(IllegalStateException.class);
      worker.acknowledge(following);
    }
  }

  @Test
  void anAbortedTransactionsJobIsNeverSeen() throws Exception {
    // Given
    jobs("aborted");
    Map<String, Object> transactional = Map.of("transactional.id", "stream-1");
    try (KafkaProducer<String, String> producer = Clients.producer(broker, transactional)) {
      producer.initTransactions();
      producer.beginTransaction();
      producer.send(new ProducerRecord<>("aborted", "k", "aborted")).get();
      producer.abortTransaction();
      producer.beginTransaction();
      producer.send(new ProducerRecord<>("aborted", "k", "committed")).get();
      producer.commitTransaction();
    }

    // When
    ConsumerRecord<String, String> job;
    try (KafkaShareConsumer<String, String> worker = worker("aborted")) {
      job = next(worker);
      worker.acknowledge(job);
    }

    // Then
    assertThat(job.value()).isEqualTo("committed");
    assertThat(Clients.readAll(broker, "aborted")).containsExactly("committed");
  }

  private static ConsumerRecord<String, String> next(KafkaShareConsumer<String, String> worker) {
    return await()
        .atMost(Duration.ofSeconds(30))
        .pollDelay(Duration.ZERO)
        .pollInterval(Duration.ofMillis(1))
        .pollInSameThread()
        .until(() -> worker.poll(Duration.ofMillis(500)), records -> !records.isEmpty())
        .iterator()
        .next();
  }

  /**
   * A topic of that name with these jobs, and a group of that name that reads it from the start.
   */
  private static void jobs(String name, String... values) throws Exception {
    Clients.createTopic(broker, name, Map.of());
    for (String value : values) {
      Clients.send(broker, name, "k", value);
    }
    Map<String, String> configs =
        Map.of(
            "share.auto.offset.reset", "earliest",
            "share.isolation.level", "read_committed",
            "share.record.lock.duration.ms", Long.toString(LOCK.toMillis()),
            "share.delivery.count.limit", "10");
    List<AlterConfigOp> changes =
        configs.entrySet().stream()
            .map(e -> new AlterConfigOp(new ConfigEntry(e.getKey(), e.getValue()), OpType.SET))
            .toList();
    try (Admin admin = Clients.admin(broker)) {
      ConfigResource group = new ConfigResource(ConfigResource.Type.GROUP, name);
      admin.incrementalAlterConfigs(Map.of(group, changes)).all().get();
    }
  }

  private static KafkaShareConsumer<String, String> worker(String name) {
    Map<String, Object> settings = new HashMap<>();
    settings.put("bootstrap.servers", broker.bootstrapServers());
    settings.put("group.id", name);
    settings.put("share.acknowledgement.mode", "explicit");
    settings.put("share.acquire.mode", "record_limit");
    settings.put("max.poll.records", 1);
    KafkaShareConsumer<String, String> consumer =
        new KafkaShareConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
    consumer.subscribe(List.of(name));
    return consumer;
  }
}
