package io.lethe.cli;

import io.lethe.privacy.PseudonymKey;
import io.lethe.terminal.Terminal;
import io.lethe.topics.EventProducer;
import io.lethe.topics.KafkaSettings;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.clients.producer.ProducerConfig;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code lethe dataset}. */
@Command(
    name = "dataset",
    description = "Says who a dataset's samples belong to.",
    mixinStandardHelpOptions = true)
final class DatasetCommand {
  @Command(
      name = "lineage",
      description = {
        "Publishes lineage; subjects are pseudonymised on the way.",
        "A file with a bad row is refused as a whole. If sending fails later on, run it again: a"
            + " record replaces what the same subject's said before."
      },
      mixinStandardHelpOptions = true)
  int lineage(
      @Mixin ClientOptions client,
      @Parameters(paramLabel = "ID", description = "The dataset's name.") String datasetId,
      @Parameters(
              paramLabel = "CSV",
              description = "Columns sample_id and subject_id; .gz is read too.")
          Path file,
      @Option(
              names = "--pseudonym-key",
              paramLabel = "FILE",
              description = "Secret key of the pseudonyms (default: ${DEFAULT-VALUE}).",
              defaultValue = "data/keys/pseudonym.key")
          Path key)
      throws IOException {
    if (!Files.isReadable(file)) {
      throw new UnusableException(file + ": no such file, or not readable");
    }
    PseudonymKey pseudonyms = PseudonymKey.loadOrCreate(key);
    KafkaSettings kafka = bulk(client.kafka());
    Terminal terminal = Terminal.standard();
    try (EventProducer producer = new EventProducer(kafka)) {
      LineageImport.Imported imported =
          new LineageImport(terminal, Clock.systemUTC())
              .run(file, datasetId, pseudonyms, producer, client.topics(kafka));
      terminal.line(
          "published lineage of %s subjects: %s rows in %.1f s, %s rows/s"
              .formatted(
                  Terminal.count(imported.subjects()),
                  Terminal.count(imported.rows()),
                  imported.seconds(),
                  Terminal.count(imported.rows() / imported.seconds())));
    }
    return Main.DONE;
  }

  /** Larger batches: the records are many and small. What the user set stays. */
  private static KafkaSettings bulk(KafkaSettings settings) {
    Map<String, String> kafka = new HashMap<>(settings.kafka());
    kafka.putIfAbsent(ProducerConfig.LINGER_MS_CONFIG, "20");
    kafka.putIfAbsent(ProducerConfig.BATCH_SIZE_CONFIG, Integer.toString(1 << 18));
    kafka.putIfAbsent(ProducerConfig.DELIVERY_TIMEOUT_MS_CONFIG, "60000");
    return new KafkaSettings(kafka, settings.registry());
  }
}
