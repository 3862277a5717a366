package io.lethe.bench;

import io.lethe.events.DeletionRequest;
import io.lethe.topics.KafkaSettings;
import io.lethe.topics.Topic;
import io.lethe.topology.StreamSettings;
import io.lethe.topology.StreamTuning;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;

/**
 * The least that a topology with the same guarantees can do: it reads requests and writes them to
 * another topic, exactly once. What is measured beside it had the same broker and the same clients.
 */
final class PassThrough implements AutoCloseable {
  private final Topic<String, DeletionRequest> in;
  private final Topic<String, DeletionRequest> out;
  private final KafkaStreams streams;

  private PassThrough(
      Topic<String, DeletionRequest> in, Topic<String, DeletionRequest> out, KafkaStreams streams) {
    this.in = in;
    this.out = out;
    this.streams = streams;
  }

  /** Starts it beside a topology of the same settings, and returns when it runs. */
  static PassThrough start(
      KafkaSettings kafka, Topic<String, DeletionRequest> like, StreamSettings settings) {
    Topic<String, DeletionRequest> in = renamed(like, like.name() + "-pass-in");
    Topic<String, DeletionRequest> out = renamed(like, like.name() + "-pass-out");
    create(kafka, List.of(in, out));
    StreamsBuilder builder = new StreamsBuilder();
    builder.stream(in.name(), Consumed.with(in.keySerde(), in.valueSerde()).withName("pass-source"))
        .to(out.name(), Produced.with(out.keySerde(), out.valueSerde()).withName("pass-sink"));
    Map<String, Object> config = new HashMap<>(StreamTuning.of(settings));
    config.putAll(kafka.streams());
    config.put(StreamsConfig.APPLICATION_ID_CONFIG, in.name());
    config.put(StreamsConfig.STATE_DIR_CONFIG, settings.stateDir().toString());
    config.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
    KafkaStreams streams = new KafkaStreams(builder.build(), new StreamsConfig(config));
    streams.start();
    Cluster.await("the pass-through topology", () -> streams.state() == KafkaStreams.State.RUNNING);
    return new PassThrough(in, out, streams);
  }

  private static <V> Topic<String, V> renamed(Topic<String, V> topic, String name) {
    return new Topic<>(
        name,
        topic.keyedBy(),
        topic.firstPart(),
        topic.cleanup(),
        topic.retention(),
        topic.maxMessageBytes(),
        topic.keySerde(),
        topic.valueSerde());
  }

  private static void create(KafkaSettings kafka, List<Topic<String, DeletionRequest>> topics) {
    try (Admin admin = Admin.create(kafka.admin())) {
      admin
          .createTopics(
              topics.stream()
                  .map(
                      topic ->
                          new NewTopic(topic.name(), Cluster.PARTITIONS, (short) 1)
                              .configs(topic.config()))
                  .toList())
          .all()
          .get();
    } catch (ExecutionException e) {
      throw new IllegalStateException("cannot make the bench's topics", e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while making the bench's topics", e);
    }
  }

  Topic<String, DeletionRequest> in() {
    return in;
  }

  Topic<String, DeletionRequest> out() {
    return out;
  }

  @Override
  public void close() {
    streams.close(Duration.ofSeconds(10));
  }
}
