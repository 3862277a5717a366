package io.lethe.registry;

import io.lethe.schemas.client.RegistryError;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.function.Consumer;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InterruptException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The log in the compacted topic {@code _schemas}, of one partition. */
final class KafkaSchemaLog implements SchemaLog {
  static final String TOPIC = "_schemas";
  private static final Logger log = LoggerFactory.getLogger(KafkaSchemaLog.class);
  private static final TopicPartition PARTITION = new TopicPartition(TOPIC, 0);
  private static final Duration LONGEST_REPLAY = Duration.ofSeconds(60);

  private final String bootstrapServers;
  private final KafkaProducer<byte[], byte[]> producer;

  KafkaSchemaLog(String bootstrapServers) {
    this.bootstrapServers = bootstrapServers;
    createTopic();
    this.producer =
        new KafkaProducer<>(
            Map.of(
                "bootstrap.servers",
                bootstrapServers,
                "client.id",
                "schema-registry",
                "acks",
                "all",
                "enable.idempotence",
                true,
                "max.block.ms",
                15_000,
                "request.timeout.ms",
                10_000,
                "delivery.timeout.ms",
                15_000),
            new ByteArraySerializer(),
            new ByteArraySerializer());
  }

  private void createTopic() {
    NewTopic topic = new NewTopic(TOPIC, 1, (short) 1).configs(Map.of("cleanup.policy", "compact"));
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrapServers))) {
      admin.createTopics(List.of(topic)).all().get();
    } catch (ExecutionException e) {
      if (!(e.getCause() instanceof TopicExistsException)) {
        throw new KafkaException("Topic " + TOPIC + " cannot be created", e.getCause());
      }
    } catch (InterruptedException e) {
      throw new InterruptException(e);
    }
  }

  @Override
  public void replay(Consumer<LogRecord> reader) {
    Map<String, Object> settings =
        Map.of("bootstrap.servers", bootstrapServers, "client.id", "schema-registry");
    try (KafkaConsumer<byte[], byte[]> consumer =
        new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
      consumer.assign(List.of(PARTITION));
      consumer.seekToBeginning(List.of(PARTITION));
      long end = consumer.endOffsets(List.of(PARTITION)).get(PARTITION);
      long deadline = System.nanoTime() + LONGEST_REPLAY.toNanos();
      while (consumer.position(PARTITION) < end) {
        if (System.nanoTime() > deadline) {
          throw new RegistryRefusal(RegistryError.TIMEOUT, "Topic " + TOPIC + " cannot be read");
        }
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
          read(record, reader);
        }
      }
    }
  }

  private static void read(ConsumerRecord<byte[], byte[]> record, Consumer<LogRecord> reader) {
    try {
      LogCodec.read(record.key(), record.value()).ifPresent(reader);
    } catch (IOException e) {
      log.warn(
          "Topic {}: the record at offset {} is not JSON and is ignored", TOPIC, record.offset());
    }
  }

  @Override
  public void append(LogRecord record) {
    try {
      producer
          .send(new ProducerRecord<>(TOPIC, 0, LogCodec.key(record), LogCodec.value(record)))
          .get();
    } catch (ExecutionException e) {
      throw refusal(e.getCause());
    } catch (KafkaException e) {
      throw refusal(e);
    } catch (InterruptedException e) {
      throw new InterruptException(e);
    }
  }

  private static RegistryRefusal refusal(Throwable cause) {
    RegistryError error =
        cause instanceof TimeoutException ? RegistryError.TIMEOUT : RegistryError.STORE;
    return new RegistryRefusal(error, "Topic " + TOPIC + " cannot be written", cause);
  }

  @Override
  public void close() {
    producer.close(Duration.ofSeconds(5));
  }
}
