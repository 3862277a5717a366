package io.lethe.cli;

import io.lethe.topics.DeadLetter;
import io.lethe.topics.DeadLetters;
import io.lethe.topics.KafkaSettings;
import io.lethe.topics.Topics;
import java.io.PrintWriter;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.function.Predicate;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code lethe dead-letters}. */
@Command(
    name = "dead-letters",
    description = "Records that did not decode or broke a rule: lists them, sends them back.",
    mixinStandardHelpOptions = true)
final class DeadLettersCommand {
  @Spec private CommandSpec spec;

  /** Which letters are meant. */
  static final class Filters {
    @Option(
        names = "--topic",
        paramLabel = "NAME",
        description = "Source topic, with or without the prefix.")
    private String topic;

    @Option(
        names = "--since",
        paramLabel = "TIME",
        description = "Records made at or after this time, ISO-8601.")
    private Instant since;

    @Option(
        names = "--cause",
        paramLabel = "TEXT",
        description = "Part of the name of the cause's class, in any case.")
    private String cause;

    @Option(
        names = "--letter",
        paramLabel = "P:OFFSET",
        description = "One letter, as list names it; repeatable.")
    private List<String> letters = new ArrayList<>();

    Predicate<DeadLetter> wanted() {
      String part = cause == null ? "" : cause.toLowerCase(Locale.ROOT);
      return letter ->
          (topic == null || letter.topic().filter(this::isMeant).isPresent())
              && (since == null || !letter.time().isBefore(since))
              && letter.cause().orElse("").toLowerCase(Locale.ROOT).contains(part)
              && (letters.isEmpty() || letters.contains(letter.position()));
    }

    private boolean isMeant(String source) {
      return source.equals(topic) || source.endsWith("." + topic);
    }
  }

  @Command(
      name = "list",
      description = "Lists dead letters, without keys and values: those hold personal data.",
      mixinStandardHelpOptions = true)
  int list(@Mixin ClientOptions client, @Mixin Filters filters) {
    List<DeadLetter> letters = new ArrayList<>();
    Set<String> replayed = deadLetters(client).read(filters.wanted(), letters::add);
    PrintWriter out = spec.commandLine().getOut();
    for (DeadLetter letter : letters) {
      out.println(
          "%-8s %s  %s  %s  in %s: %s%s%s"
              .formatted(
                  letter.position(),
                  letter.time(),
                  source(letter),
                  simpleName(letter.cause().orElse("unknown")),
                  letter.stage().orElse("unknown"),
                  letter.message().lines().findFirst().orElse(""),
                  letter.isLeftOut()
                      ? "  [too large to be kept here; it lies at %s]".formatted(source(letter))
                      : "",
                  replayed.contains(letter.position()) ? "  [replayed]" : ""));
    }
    out.println(letters.size() + " dead letters");
    out.flush();
    return Main.DONE;
  }

  @Command(
      name = "replay",
      description = {
        "Sends dead letters back to their topic and partition, as they were.",
        "Each is sent once, also when this command dies or is given twice. Exit code 1: some have"
            + " no topic to go to, or were too large to be kept."
      },
      mixinStandardHelpOptions = true)
  int replay(
      @Mixin ClientOptions client,
      @Mixin Filters filters,
      @Option(names = "--again", description = "Also those that were replayed before.")
          boolean again,
      @Option(names = "--dry-run", description = "Only say how many would be sent.")
          boolean dryRun) {
    DeadLetters.Replay replay = deadLetters(client).replay(filters.wanted(), again, dryRun);
    PrintWriter out = spec.commandLine().getOut();
    out.println(
        "%s %d dead letters; %d replayed before, %d without a topic to go to"
            .formatted(
                dryRun ? "would replay" : "replayed",
                replay.sent(),
                replay.before(),
                replay.lost()));
    out.flush();
    if (replay.leftOut() > 0) {
      PrintWriter err = spec.commandLine().getErr();
      err.println(
          "%d dead letters cannot be sent back: their records were too large to be kept here; list says where they lie"
              .formatted(replay.leftOut()));
      err.flush();
    }
    return replay.lost() + replay.leftOut() == 0 ? Main.DONE : Main.NEGATIVE;
  }

  private static DeadLetters deadLetters(ClientOptions client) {
    KafkaSettings kafka = client.kafka();
    Topics topics = client.topics(kafka);
    return new DeadLetters(kafka, topics);
  }

  private static String source(DeadLetter letter) {
    return "%s-%s@%s"
        .formatted(
            letter.topic().orElse("?"),
            letter.partition().map(String::valueOf).orElse("?"),
            letter.offset().map(String::valueOf).orElse("?"));
  }

  private static String simpleName(String className) {
    return className.substring(className.lastIndexOf('.') + 1);
  }
}
