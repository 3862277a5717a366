package io.lethe.topology;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import io.lethe.topology.RulesStep.Kind;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.Tuple;
import net.jqwik.api.lifecycle.AfterContainer;
import net.jqwik.api.lifecycle.BeforeContainer;
import org.slf4j.LoggerFactory;

/**
 * Random sequences of what can happen, on the topology and on a small model of its rules: after
 * each step both say the same. {@code -Djqwik.tries.default=10000} for a long run.
 *
 * <p>{@link RulesStep} names what can happen, {@link RulesRun} makes it happen to both, {@link
 * IntakeRules}, {@link BatchingRules} and {@link TrackedRequest} say what must come of it, {@link
 * RulesComparison} asks whether it did.
 */
class RulesPropertyTest {
  @Provide
  Arbitrary<List<RulesStep>> sequences() {
    Arbitrary<Kind> kinds =
        Arbitraries.frequencyOf(
            Tuple.of(6, Arbitraries.of(Kind.REQUEST, Kind.LINEAGE, Kind.JOB_RELEASES)),
            Tuple.of(2, Arbitraries.of(Kind.CANCEL, Kind.HOLD, Kind.RELEASE)),
            Tuple.of(2, Arbitraries.of(Kind.REQUEST_CLASSES, Kind.REQUEST_SAMPLES)),
            Tuple.of(
                4,
                Arbitraries.of(
                    Kind.JOB_ARRIVES_IN_PART,
                    Kind.JOB_ARRIVES_WITHOUT_OUTCOME,
                    Kind.JOB_HOLDS,
                    Kind.JOB_ESCALATES,
                    Kind.JOB_LACKS_SAMPLES)),
            Tuple.of(
                3,
                Arbitraries.of(
                    Kind.ANOTHER_ARTIFACT,
                    Kind.RETIRED,
                    Kind.RETRY,
                    Kind.RELEASE_HELD,
                    Kind.RETRAIN)),
            Tuple.of(2, Arbitraries.of(Kind.HOUR, Kind.WEEK)),
            Tuple.of(2, Arbitraries.of(Kind.class)));
    Arbitrary<RulesStep> steps =
        Combinators.combine(
                kinds, Arbitraries.integers().between(0, 11), Arbitraries.integers().between(1, 7))
            .as(RulesStep::new);
    return steps.list().ofMinSize(1).ofMaxSize(40);
  }

  /** Jobs that wait for a person are an error in a program, and here the point. */
  @BeforeContainer
  static void quiet() {
    ((Logger) LoggerFactory.getLogger("io.lethe.batching")).setLevel(Level.OFF);
  }

  @AfterContainer
  static void loud() {
    ((Logger) LoggerFactory.getLogger("io.lethe.batching")).setLevel(null);
  }

  @Property
  void theTopologyDoesWhatTheRulesSay(@ForAll("sequences") List<RulesStep> steps)
      throws IOException {
    Path directory = Files.createTempDirectory("lethe-rules");
    try (RulesRun run = new RulesRun(directory)) {
      for (RulesStep step : steps) {
        run.take(step);
        run.compare();
      }
      run.finish();
    } finally {
      delete(directory);
    }
  }

  private static void delete(Path directory) throws IOException {
    try (var files = Files.walk(directory)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.deleteIfExists(file);
      }
    }
  }
}
