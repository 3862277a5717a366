package io.lethe.cli;

import static picocli.CommandLine.Model.UsageMessageSpec.SECTION_KEY_FOOTER;

import io.lethe.artifact.ArtifactException;
import io.lethe.attestation.AttestationException;
import io.lethe.dataset.DatasetException;
import io.lethe.demo.DemoHeldException;
import io.lethe.embedded.EmbeddedException;
import io.lethe.model.ModelException;
import io.lethe.schemas.client.SchemaRegistryException;
import io.lethe.topics.TopicException;
import io.lethe.unlearning.UnlearningException;
import java.io.PrintWriter;
import java.nio.file.FileSystemException;
import java.util.List;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IExecutionExceptionHandler;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;

/**
 * Entry point of the {@code lethe} program. Exit codes: 0 done, 1 the job's own negative answer, 2
 * unusable arguments or input, with one line on what and where, 70 a defect of the program.
 */
@Command(
    name = "lethe",
    description = "Unlearns people's data from models: deletion events in, model versions out.",
    mixinStandardHelpOptions = true,
    versionProvider = Version.class,
    synopsisSubcommandLabel = "COMMAND",
    subcommands = {
      DemoCommand.class,
      UpCommand.class,
      StreamCommand.class,
      WorkerCommand.class,
      ModelCommand.class,
      DatasetCommand.class,
      RequestCommand.class,
      DeadLettersCommand.class,
      TrainCommand.class,
      FisherCommand.class,
      AnchorCommand.class,
      UnlearnCommand.class,
      EvaluateCommand.class,
      BenchCommand.class,
      VerifyCommand.class,
      TopologyCommand.class,
    })
public final class Main {
  static final int DONE = 0;
  static final int NEGATIVE = 1;
  static final int UNUSABLE = 2;

  /** EX_SOFTWARE of sysexits.h: what nobody foresaw must not pass for an answer. */
  static final int DEFECT = 70;

  /** Errors whose message is one line for the user. */
  private static final List<Class<? extends RuntimeException>> PLAIN =
      List.of(
          ArtifactException.class,
          AttestationException.class,
          DatasetException.class,
          EmbeddedException.class,
          ModelException.class,
          SchemaRegistryException.class,
          TopicException.class,
          UnlearningException.class,
          UnusableException.class,
          IllegalArgumentException.class);

  private Main() {}

  public static void main(String[] args) {
    int code = DEFECT;
    try {
      code = commandLine().execute(args);
    } catch (Error e) { // such as no memory left, where a JVM would end with 1
      Thread.currentThread().getThreadGroup().uncaughtException(Thread.currentThread(), e);
    }
    System.exit(code);
  }

  static CommandLine commandLine() {
    CommandLine main = new CommandLine(new Main());
    main.getSubcommands()
        .get("unlearn")
        .getHelpSectionMap()
        .put(SECTION_KEY_FOOTER, UnlearnCommand::methodsHelp);
    return main.setParameterExceptionHandler(Main::unusableArguments)
        .setExecutionExceptionHandler(errors())
        .setExitCodeExceptionMapper(error -> DEFECT)
        .setCaseInsensitiveEnumValuesAllowed(true);
  }

  private static int unusableArguments(ParameterException error, String[] args) {
    PrintWriter err = error.getCommandLine().getErr();
    err.println("lethe: " + firstLine(error.getMessage()));
    err.println("See: " + error.getCommandLine().getCommandSpec().qualifiedName() + " --help");
    return UNUSABLE;
  }

  private static IExecutionExceptionHandler errors() {
    return (Exception error, CommandLine command, ParseResult parsed) -> {
      if (error instanceof DemoHeldException) {
        command.getErr().println("lethe: " + firstLine(error.getMessage()));
        return NEGATIVE;
      }
      for (Throwable cause = error; cause != null; cause = cause.getCause()) {
        if (cause instanceof FileSystemException file) {
          command.getErr().println("lethe: " + describe(file));
          return UNUSABLE;
        }
        if (PLAIN.stream().anyMatch(cause.getClass()::isAssignableFrom)) {
          command.getErr().println("lethe: " + firstLine(cause.getMessage()));
          return UNUSABLE;
        }
      }
      throw error;
    };
  }

  private static String describe(FileSystemException error) {
    String reason = error.getReason();
    return "%s: cannot be read or written: %s"
        .formatted(error.getFile(), reason == null ? error.getClass().getSimpleName() : reason);
  }

  private static String firstLine(String message) {
    return message == null ? "" : message.lines().findFirst().orElse("");
  }
}
