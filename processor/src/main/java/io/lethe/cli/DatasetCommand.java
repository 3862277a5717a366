package io.lethe.cli;

import io.lethe.demo.LineageFile;
import io.lethe.events.DatasetLineage;
import io.lethe.events.LineageKey;
import io.lethe.privacy.PseudonymKey;
import io.lethe.terminal.Terminal;
import io.lethe.topics.EventProducer;
import io.lethe.topics.KafkaSettings;
import io.lethe.topics.Topics;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
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
      description = "Publishes lineage; subjects are pseudonymised on the way.",
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
          Path key) {
    if (!Files.isReadable(file)) {
      throw new UnusableException(file + ": no such file, or not readable");
    }
    Map<String, List<String>> samples = LineageFile.read(file);
    PseudonymKey pseudonyms = PseudonymKey.loadOrCreate(key);
    KafkaSettings kafka = client.kafka();
    Topics topics = client.topics(kafka);
    Clock clock = Clock.systemUTC();
    try (EventProducer producer = new EventProducer(kafka)) {
      List<CompletableFuture<?>> sent = new ArrayList<>();
      samples.forEach(
          (subject, ids) -> {
            String subjectId = pseudonyms.pseudonym(subject);
            sent.add(
                producer.send(
                    topics.datasetLineage(),
                    new LineageKey(subjectId, datasetId),
                    new DatasetLineage(subjectId, datasetId, ids, clock.instant())));
          });
      producer.flush();
      sent.forEach(CompletableFuture::join);
    }
    Terminal.standard()
        .line("published lineage of %s subjects".formatted(Terminal.count(samples.size())));
    return Main.DONE;
  }
}
