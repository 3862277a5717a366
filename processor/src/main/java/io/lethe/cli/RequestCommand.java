package io.lethe.cli;

import io.lethe.events.DeletionRequest;
import io.lethe.events.ModelCommandKind;
import io.lethe.events.Regulation;
import io.lethe.events.Selector;
import io.lethe.events.SelectorKind;
import io.lethe.privacy.PseudonymKey;
import io.lethe.terminal.Terminal;
import io.lethe.topics.EventProducer;
import io.lethe.topics.KafkaSettings;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.util.List;
import java.util.UUID;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code lethe request}. */
@Command(
    name = "request",
    description = "Submits deletion requests and asks where they stand.",
    mixinStandardHelpOptions = true)
final class RequestCommand {
  private static final int OK = 200;

  @Command(
      name = "submit",
      description = "Asks that a data subject, or whole classes, are forgotten; prints the id.",
      mixinStandardHelpOptions = true)
  int submit(
      @Mixin ClientOptions client,
      @Option(
              names = "--subject",
              paramLabel = "IDENTITY",
              description = "The data subject; pseudonymised before it leaves this process.")
          String subject,
      @Option(
              names = "--class",
              paramLabel = "N",
              description =
                  "Instead of a subject: a class to forget as a whole, by its label in the dataset"
                      + " (a whole number from 0); repeatable. Models of the dataset that come later"
                      + " must forget it too.")
          List<String> classes,
      @Option(
              names = "--dataset",
              paramLabel = "ID",
              description = "With --class: only models that were trained on this dataset.")
          String datasetId,
      @Option(
              names = "--model",
              paramLabel = "ID",
              description = "Model that must forget; repeatable (default: all that hold the data).")
          List<String> models,
      @Option(
              names = "--regulation",
              paramLabel = "LAW",
              description = "${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).",
              defaultValue = "OTHER")
          Regulation regulation,
      @Option(
              names = "--received-at",
              paramLabel = "TIME",
              description = "When it was received, ISO-8601 (default: now).")
          Instant receivedAt,
      @Option(
              names = "--pseudonym-key",
              paramLabel = "FILE",
              description = "Secret key of the pseudonyms (default: ${DEFAULT-VALUE}).",
              defaultValue = "data/keys/pseudonym.key")
          Path key) {
    if ((subject == null) == (classes == null)) {
      throw new UnusableException("a request names --subject or --class");
    }
    if (classes != null && classes.stream().anyMatch(name -> !name.matches("[0-9]+"))) {
      throw new UnusableException("--class takes a label of the dataset, a whole number from 0");
    }
    UUID requestId = UUID.randomUUID();
    String recordKey =
        subject == null ? requestId.toString() : PseudonymKey.load(key).pseudonym(subject);
    Selector selector =
        subject == null
            ? Selector.newBuilder()
                .setKind(SelectorKind.CLASS)
                .setClasses(classes)
                .setDatasetId(datasetId)
                .build()
            : Selector.newBuilder().setKind(SelectorKind.SUBJECT).setSubjectId(recordKey).build();
    KafkaSettings kafka = client.kafka();
    DeletionRequest request =
        DeletionRequest.newBuilder()
            .setRequestId(requestId)
            .setSelector(selector)
            .setModels(models == null ? List.of() : models)
            .setRegulation(regulation)
            .setReceivedAt(receivedAt == null ? Clock.systemUTC().instant() : receivedAt)
            .build();
    try (EventProducer producer = new EventProducer(kafka)) {
      producer.send(client.topics(kafka).deletionRequests(), recordKey, request).join();
    }
    Terminal.standard().line(requestId.toString());
    return Main.DONE;
  }

  @Command(
      name = "cancel",
      description = "Withdraws a request that no model has begun.",
      mixinStandardHelpOptions = true)
  int cancel(@Mixin ClientOptions client, @Parameters(paramLabel = "ID") UUID requestId) {
    return command(client, requestId, io.lethe.events.RequestCommand.CANCEL, null, null);
  }

  @Command(
      name = "extend",
      description = "Gives a request a later due date, within what its regulation allows.",
      mixinStandardHelpOptions = true)
  int extend(
      @Mixin ClientOptions client,
      @Parameters(paramLabel = "ID") UUID requestId,
      @Option(
              names = "--reason",
              required = true,
              description = "Why; goes on record, so no personal data.")
          String reason,
      @Option(
              names = "--due",
              paramLabel = "TIME",
              description = "New due date, ISO-8601 (default: the latest that is allowed).")
          Instant dueAt) {
    return command(client, requestId, io.lethe.events.RequestCommand.EXTEND, reason, dueAt);
  }

  @Command(
      name = "hold",
      description = "Puts a legal hold on a request: its data must be kept for now.",
      mixinStandardHelpOptions = true)
  int hold(
      @Mixin ClientOptions client,
      @Parameters(paramLabel = "ID") UUID requestId,
      @Option(names = "--reason", description = "Why; goes on record, so no personal data.")
          String reason) {
    return command(client, requestId, io.lethe.events.RequestCommand.HOLD, reason, null);
  }

  @Command(
      name = "release",
      description = "Ends the legal hold of a request.",
      mixinStandardHelpOptions = true)
  int release(@Mixin ClientOptions client, @Parameters(paramLabel = "ID") UUID requestId) {
    return command(client, requestId, io.lethe.events.RequestCommand.RELEASE, null, null);
  }

  @Command(
      name = "retry",
      description = {
        "Runs the parked batch of a model again, under its current policy.",
        "Requests that were set aside, as they name samples that its dataset lacks, wait for a batch"
            + " again."
      },
      mixinStandardHelpOptions = true)
  int retry(
      @Mixin ClientOptions client,
      @Option(names = "--model", paramLabel = "ID", required = true) String modelId) {
    return ModelCommand.command(client, modelId, ModelCommandKind.RETRY, null);
  }

  /** Sends a command under the request's id: it finds the request on whatever partition it is. */
  private static int command(
      ClientOptions client,
      UUID requestId,
      io.lethe.events.RequestCommand command,
      String reason,
      Instant dueAt) {
    KafkaSettings kafka = client.kafka();
    DeletionRequest record =
        DeletionRequest.newBuilder()
            .setRequestId(requestId)
            .setSelector(Selector.newBuilder().setKind(SelectorKind.SUBJECT).build())
            .setCommand(command)
            .setReason(reason)
            .setDueAt(dueAt)
            .setReceivedAt(Clock.systemUTC().instant())
            .build();
    try (EventProducer producer = new EventProducer(kafka)) {
      producer.send(client.topics(kafka).deletionRequests(), requestId.toString(), record).join();
    }
    Terminal.standard().line("sent; ./lethe request status " + requestId + " shows the answer");
    return Main.DONE;
  }

  @Command(
      name = "status",
      description = "Prints where a request stands, as JSON.",
      mixinStandardHelpOptions = true)
  int status(
      @Parameters(paramLabel = "ID", description = "The request's id.") UUID requestId,
      @Option(
              names = "--url",
              paramLabel = "URL",
              description = "API of any stream instance (default: ${DEFAULT-VALUE}).",
              defaultValue = "http://127.0.0.1:8080")
          URI url)
      throws InterruptedException {
    HttpResponse<String> response;
    try {
      response =
          HttpClient.newBuilder()
              .followRedirects(HttpClient.Redirect.NORMAL)
              .build()
              .send(
                  HttpRequest.newBuilder(url.resolve("/v1/requests/" + requestId)).build(),
                  HttpResponse.BodyHandlers.ofString());
    } catch (IOException e) {
      throw new UnusableException(url + " does not answer", e);
    }
    Terminal.standard().line(response.body());
    return response.statusCode() == OK ? Main.DONE : Main.NEGATIVE;
  }
}
