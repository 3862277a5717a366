package io.lethe.topics;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** Creates the topics that are missing and checks those that are there. */
public final class TopicAdmin {
  private static final Duration PROPAGATION = Duration.ofSeconds(30);
  private static final Duration PAUSE = Duration.ofMillis(100);

  private final KafkaSettings settings;

  public TopicAdmin(KafkaSettings settings) {
    this.settings = settings;
  }

  /**
   * Creates what is missing. Topics that exist are left as they are.
   *
   * @param partitions number of partitions of a new topic
   * @param replicationFactor of a new topic; -1: the broker's default
   * @return partitions by topic name, as the broker has them
   * @throws TopicException when the broker cannot be asked, or topics that must have the same
   *     number of partitions do not
   */
  public Map<String, Integer> ensure(Topics topics, int partitions, short replicationFactor) {
    List<String> names = topics.all().stream().map(Topic::name).toList();
    try (Admin admin = Admin.create(settings.admin())) {
      Set<String> existing = new HashSet<>(admin.listTopics().names().get());
      List<NewTopic> missing = new ArrayList<>();
      for (Topic<?, ?> topic : topics.all()) {
        if (!existing.contains(topic.name())) {
          missing.add(
              new NewTopic(topic.name(), partitions, replicationFactor).configs(topic.config()));
        }
      }
      for (var created : admin.createTopics(missing).values().values()) {
        awaitCreation(created);
      }
      Map<String, TopicDescription> described = describe(admin, names);
      awaitLeaders(admin, described.values());
      Map<String, Integer> counts = new HashMap<>();
      described.forEach((name, topic) -> counts.put(name, topic.partitions().size()));
      checkCopartitioned(topics, counts);
      return counts;
    } catch (ExecutionException e) {
      throw new TopicException("cannot prepare the topics: " + e.getCause().getMessage(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new TopicException("interrupted while preparing the topics", e);
    }
  }

  /** A broker may answer before it has heard of a topic that was just created. */
  private static Map<String, TopicDescription> describe(Admin admin, List<String> names)
      throws ExecutionException, InterruptedException {
    long deadline = System.nanoTime() + PROPAGATION.toNanos();
    while (true) {
      try {
        return admin.describeTopics(names).allTopicNames().get();
      } catch (ExecutionException e) {
        if (!(e.getCause() instanceof UnknownTopicOrPartitionException)
            || System.nanoTime() > deadline) {
          throw e;
        }
        Thread.sleep(PAUSE.toMillis());
      }
    }
  }

  /**
   * A leader takes records a moment after its topic is known. A producer that is faster has its
   * first batch refused and a later one accepted; the first is then out of sequence at every retry,
   * until it expires.
   */
  private static void awaitLeaders(Admin admin, Collection<TopicDescription> topics)
      throws ExecutionException, InterruptedException {
    Map<TopicPartition, OffsetSpec> ends = new HashMap<>();
    for (TopicDescription topic : topics) {
      for (TopicPartitionInfo partition : topic.partitions()) {
        ends.put(new TopicPartition(topic.name(), partition.partition()), OffsetSpec.latest());
      }
    }
    admin.listOffsets(ends).all().get();
  }

  private static void awaitCreation(org.apache.kafka.common.KafkaFuture<Void> created)
      throws ExecutionException, InterruptedException {
    try {
      created.get();
    } catch (ExecutionException e) {
      // Another instance was faster.
      if (!(e.getCause() instanceof TopicExistsException)) {
        throw e;
      }
    }
  }

  private static void checkCopartitioned(Topics topics, Map<String, Integer> counts) {
    topics.all().stream()
        .filter(
            topic ->
                topic.keyedBy() == Topic.KeyedBy.SUBJECT || topic.keyedBy() == Topic.KeyedBy.MODEL)
        .collect(Collectors.groupingBy(Topic::keyedBy))
        .forEach(
            (keyedBy, group) -> {
              Map<String, Integer> own = new HashMap<>();
              group.forEach(topic -> own.put(topic.name(), counts.get(topic.name())));
              if (new HashSet<>(own.values()).size() > 1) {
                throw new TopicException(
                    "topics keyed by "
                        + keyedBy.name().toLowerCase(java.util.Locale.ROOT)
                        + " must have the same number of partitions: "
                        + own,
                    null);
              }
            });
  }
}
