package io.lethe.topics;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Reads the dead letters and sends them back to where they came from.
 *
 * <p>That a letter was replayed is said by a mark among the letters themselves, written in one
 * transaction with the record that is sent: a replay that dies in between has sent neither or both,
 * and one that runs beside another is fenced off. Marks outlive their letters, since they are
 * younger, and need no topic of their own.
 */
public final class DeadLetters {
  private static final String REPLAYED = "lethe.dead-letter.replayed";
  private static final Duration POLL = Duration.ofSeconds(1);
  private static final Duration CLOSE_TIMEOUT = Duration.ofSeconds(5);
  private static final int LETTERS_PER_TRANSACTION = 200;

  private final KafkaSettings settings;
  private final Topic<byte[], byte[]> topic;

  public DeadLetters(KafkaSettings settings, Topics topics) {
    this.settings = settings;
    this.topic = topics.deadLetters();
  }

  /**
   * Reads all letters that are there now.
   *
   * @param wanted which
   * @param each takes them one by one, in the order of each partition
   * @return positions of those that were replayed, whether wanted or not
   */
  public Set<String> read(Predicate<DeadLetter> wanted, Consumer<DeadLetter> each) {
    Set<String> replayed = new HashSet<>();
    try (KafkaConsumer<byte[], byte[]> consumer =
        new KafkaConsumer<>(
            settings.consumer(), new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
      List<TopicPartition> partitions =
          consumer.partitionsFor(topic.name()).stream()
              .map(partition -> new TopicPartition(partition.topic(), partition.partition()))
              .toList();
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
      while (ends.entrySet().stream()
          .anyMatch(end -> consumer.position(end.getKey()) < end.getValue())) {
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(POLL)) {
          Optional<String> mark = DeadLetterHeaders.text(record.headers(), REPLAYED);
          if (mark.isPresent()) {
            replayed.add(mark.get());
          } else if (wanted.test(new DeadLetter(record))) {
            each.accept(new DeadLetter(record));
          }
        }
      }
    }
    return replayed;
  }

  /**
   * What a replay did.
   *
   * @param sent letters that went back
   * @param before letters that an earlier replay had sent back
   * @param lost letters whose source topic is not named or not there any more
   * @param leftOut letters whose record was too large to be kept, so that nothing can be sent
   */
  public record Replay(int sent, int before, int lost, int leftOut) {}

  /**
   * Sends letters back to their topic and partition, with their bytes and headers.
   *
   * @param wanted which
   * @param again also those that were replayed before
   * @param dryRun count only
   * @throws TopicException when another replay runs, or the broker does not take it
   */
  public Replay replay(Predicate<DeadLetter> wanted, boolean again, boolean dryRun) {
    if (dryRun) {
      try (KafkaConsumer<byte[], byte[]> metadata =
          new KafkaConsumer<>(
              settings.consumer(), new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
        Plan plan = plan(wanted, again, metadata.listTopics());
        return new Replay(plan.letters().size(), plan.before(), plan.lost(), plan.leftOut());
      }
    }
    Map<String, Object> config = new HashMap<>(settings.producer());
    config.put(ProducerConfig.TRANSACTIONAL_ID_CONFIG, topic.name() + "-replay");
    KafkaProducer<byte[], byte[]> producer =
        new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
    try (KafkaConsumer<byte[], byte[]> metadata =
        new KafkaConsumer<>(
            settings.consumer(), new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
      // First: from here on no earlier replay can commit, and the marks that are read are all.
      producer.initTransactions();
      Map<String, List<PartitionInfo>> topics = metadata.listTopics();
      Plan plan = plan(wanted, again, topics);
      List<DeadLetter> letters = plan.letters();
      for (int from = 0; from < letters.size(); from += LETTERS_PER_TRANSACTION) {
        send(
            producer,
            letters.subList(from, Math.min(letters.size(), from + LETTERS_PER_TRANSACTION)),
            topics);
      }
      return new Replay(letters.size(), plan.before(), plan.lost(), plan.leftOut());
    } finally {
      producer.close(CLOSE_TIMEOUT);
    }
  }

  private record Plan(List<DeadLetter> letters, int before, int lost, int leftOut) {}

  private Plan plan(
      Predicate<DeadLetter> wanted, boolean again, Map<String, List<PartitionInfo>> topics) {
    List<DeadLetter> letters = new ArrayList<>();
    Set<String> replayed = read(wanted, letters::add);
    int found = letters.size();
    letters.removeIf(letter -> !again && replayed.contains(letter.position()));
    int before = found - letters.size();
    int kept = letters.size();
    letters.removeIf(DeadLetter::isLeftOut);
    int left = letters.size();
    letters.removeIf(letter -> letter.topic().filter(topics::containsKey).isEmpty());
    return new Plan(letters, before, left - letters.size(), kept - left);
  }

  private void send(
      KafkaProducer<byte[], byte[]> producer,
      List<DeadLetter> letters,
      Map<String, List<PartitionInfo>> topics) {
    List<Future<RecordMetadata>> sent = new ArrayList<>();
    producer.beginTransaction();
    try {
      for (DeadLetter letter : letters) {
        String target = letter.topic().orElseThrow();
        int partitions = topics.get(target).size();
        Integer partition = letter.partition().filter(number -> number < partitions).orElse(null);
        Headers headers = letter.sourceHeaders();
        DeadLetterHeaders.put(headers, DeadLetterHeaders.REPLAY_OF, letter.position());
        sent.add(
            producer.send(
                new ProducerRecord<>(
                    target,
                    partition,
                    null,
                    letter.record().key(),
                    letter.record().value(),
                    headers)));
        sent.add(producer.send(mark(letter)));
      }
      producer.commitTransaction();
      for (Future<RecordMetadata> each : sent) {
        each.get();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new TopicException("interrupted while dead letters were replayed", e);
    } catch (ExecutionException | RuntimeException e) {
      throw new TopicException(
          "dead letters were not replayed from %s on: %s"
              .formatted(letters.get(0).position(), e.getClass().getSimpleName()),
          e);
    }
  }

  private ProducerRecord<byte[], byte[]> mark(DeadLetter letter) {
    Headers headers = new RecordHeaders();
    headers.add(REPLAYED, letter.position().getBytes(StandardCharsets.UTF_8));
    return new ProducerRecord<>(
        topic.name(), letter.record().partition(), null, null, new byte[0], headers);
  }
}
