package io.lethe.cli;

import io.lethe.dataset.LineageFile;
import io.lethe.events.DatasetLineage;
import io.lethe.events.LineageKey;
import io.lethe.privacy.PseudonymKey;
import io.lethe.terminal.Terminal;
import io.lethe.topics.EventProducer;
import io.lethe.topics.Topics;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicReference;

/**
 * Publishes a lineage file. Rows of one subject may stand anywhere in it and become one record, so
 * the whole file is read, and refused if a row is bad, before the first record is sent. What fails
 * after that is said with how far it came; the import can be run again, since a record replaces
 * what the same subject's said before.
 */
final class LineageImport {
  private static final double NANOS = 1e9;
  private static final int SHOWN_EVERY = 5_000;

  private final Terminal terminal;
  private final Clock clock;

  LineageImport(Terminal terminal, Clock clock) {
    this.terminal = terminal;
    this.clock = clock;
  }

  /**
   * What was published.
   *
   * @param seconds of reading and sending
   */
  record Imported(long subjects, long rows, double seconds) {}

  /** Reads, groups, sends, and returns when the broker has everything. */
  Imported run(
      Path file, String datasetId, PseudonymKey pseudonyms, EventProducer producer, Topics topics)
      throws IOException {
    long start = System.nanoTime();
    long size = Math.max(1, Files.size(file));
    long[] rows = {0};
    try (SubjectGroups groups = new SubjectGroups(pseudonyms)) {
      LineageFile.forEach(
          file,
          (sampleId, subject) -> {
            groups.add(sampleId, subject);
            rows[0]++;
          },
          bytes -> terminal.progress("read", (double) bytes / size, rate(rows[0], start)));
      long subjects = send(groups, rows[0], datasetId, producer, topics, start);
      return new Imported(subjects, rows[0], (System.nanoTime() - start) / NANOS);
    }
  }

  private long send(
      SubjectGroups groups,
      long rows,
      String datasetId,
      EventProducer producer,
      Topics topics,
      long start)
      throws IOException {
    AtomicReference<Throwable> failure = new AtomicReference<>();
    long[] sent = {0, 0};
    Instant recordedAt = clock.instant();
    groups.forEach(
        group -> {
          requireSent(failure, sent[0]);
          CompletableFuture<?> unused =
              producer
                  .send(
                      topics.datasetLineage(),
                      new LineageKey(group.subjectId(), datasetId),
                      new DatasetLineage(
                          group.subjectId(), datasetId, group.sampleIds(), recordedAt))
                  .whenComplete(
                      (metadata, error) -> {
                        if (error != null) {
                          failure.compareAndSet(null, error);
                        }
                      });
          sent[0]++;
          sent[1] += group.sampleIds().size();
          if (sent[0] % SHOWN_EVERY == 0) {
            terminal.progress(
                "publish", Math.min(1, (double) sent[1] / rows), rate(sent[1], start));
          }
        });
    producer.flush();
    requireSent(failure, sent[0]);
    terminal.progress("publish", 1, rate(rows, start));
    return sent[0];
  }

  private static void requireSent(AtomicReference<Throwable> failure, long subjects) {
    if (failure.get() != null) {
      throw new UnusableException(
          "lineage is published in part, of at most %d subjects (%s): run the import again"
              .formatted(subjects, failure.get().getClass().getSimpleName()),
          failure.get());
    }
  }

  private static String rate(long rows, long start) {
    double seconds = Math.max(1e-3, (System.nanoTime() - start) / NANOS);
    return Terminal.count(rows / seconds) + " rows/s";
  }
}
