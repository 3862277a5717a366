package io.lethe;

import static com.tngtech.archunit.core.domain.JavaAccess.Predicates.target;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.properties.HasName.Predicates.nameMatching;
import static com.tngtech.archunit.core.domain.properties.HasOwner.Predicates.With.owner;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.Architectures.layeredArchitecture;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.Date;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Arrows run one way: commands → roles of the program → what they do → what they do it with → the
 * events. A new package has to be given its place here.
 */
class ArchitectureTest {
  private static final String COMMANDS = "commands";
  private static final String ROLES = "roles";
  private static final String WORK = "work";
  private static final String MEANS = "means";
  private static final String EVENTS = "events";

  private static final String[] DJL_FREE = {
    "io.lethe.topology..",
    "io.lethe.intake..",
    "io.lethe.batching..",
    "io.lethe.tracking..",
    "io.lethe.streams..",
    "io.lethe.topics..",
    "io.lethe.fisher..",
    "io.lethe.heldout..",
    "io.lethe.artifact..",
    "io.lethe.attestation..",
    "io.lethe.registry..",
    "io.lethe.schemas..",
    "io.lethe.json.."
  };
  private static final String[] KAFKA_FREE = {
    "io.lethe.unlearning..",
    "io.lethe.model..",
    "io.lethe.dataset..",
    "io.lethe.artifact..",
    "io.lethe.attestation..",
    "io.lethe.json.."
  };

  private static final String[] RULES = {
    "io.lethe.intake..", "io.lethe.batching..", "io.lethe.tracking.."
  };
  private static final String[] TIMELESS = {
    "io.lethe.intake..",
    "io.lethe.batching..",
    "io.lethe.tracking..",
    "io.lethe.streams..",
    "io.lethe.topology.."
  };

  private static JavaClasses classes;

  @BeforeAll
  static void importClasses() {
    classes =
        new ClassFileImporter()
            .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
            .importPackages("io.lethe");
  }

  @Test
  void arrowsRunOneWay() {
    layeredArchitecture()
        .consideringOnlyDependenciesInAnyPackage("io.lethe..")
        .withOptionalLayers(true)
        .layer(COMMANDS)
        .definedBy(
            "io.lethe.cli..",
            "io.lethe.offline..",
            "io.lethe.bench..",
            "io.lethe.demo..",
            "io.lethe.roles..")
        .layer(ROLES)
        .definedBy(
            "io.lethe.topology..",
            "io.lethe.worker..",
            "io.lethe.api..",
            "io.lethe.console..",
            "io.lethe.registry..",
            "io.lethe.embedded..")
        .layer(WORK)
        .definedBy(
            "io.lethe.intake..",
            "io.lethe.batching..",
            "io.lethe.tracking..",
            "io.lethe.unlearning..")
        .layer(MEANS)
        .definedBy(
            "io.lethe.fisher..",
            "io.lethe.heldout..",
            "io.lethe.model..",
            "io.lethe.dataset..",
            "io.lethe.artifact..",
            "io.lethe.attestation..",
            "io.lethe.streams..",
            "io.lethe.topics..",
            "io.lethe.privacy..",
            "io.lethe.terminal..")
        .layer(EVENTS)
        .definedBy("io.lethe.events..", "io.lethe.state..", "io.lethe.schemas..", "io.lethe.json..")
        .whereLayer(COMMANDS)
        .mayNotBeAccessedByAnyLayer()
        .whereLayer(ROLES)
        .mayOnlyBeAccessedByLayers(COMMANDS)
        .whereLayer(WORK)
        .mayOnlyBeAccessedByLayers(COMMANDS, ROLES)
        .whereLayer(MEANS)
        .mayOnlyBeAccessedByLayers(COMMANDS, ROLES, WORK)
        .ensureAllClassesAreContainedInArchitecture()
        .check(classes);
  }

  @Test
  void packagesFormNoCycle() {
    slices().matching("io.lethe.(*)..").should().beFreeOfCycles().check(classes);
  }

  @Test
  void theStreamSideKnowsNoDjl() {
    noClasses()
        .that()
        .resideInAnyPackage(DJL_FREE)
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(
            "ai.djl..", "io.lethe.unlearning..", "io.lethe.model..", "io.lethe.dataset..")
        .check(classes);
  }

  @Test
  void unlearningKnowsNoKafka() {
    noClasses()
        .that()
        .resideInAnyPackage(KAFKA_FREE)
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage("org.apache.kafka..", "io.lethe.streams..", "io.lethe.topics..")
        .check(classes);
  }

  /** Rules take their time from the context, so that a test can say what time it is. */
  @Test
  void rulesReadNoClockOfTheirOwn() {
    noClasses()
        .that()
        .resideInAnyPackage(TIMELESS)
        .should()
        .callMethodWhere(
            target(nameMatching("now"))
                .and(target(owner(resideInAPackage("java.time.."))))
                .as("asks the wall clock"))
        .orShould()
        .callMethod(System.class, "currentTimeMillis")
        .orShould()
        .callConstructor(Date.class)
        .orShould()
        .dependOnClassesThat()
        .areAssignableTo(Clock.class)
        .check(classes);
  }

  /** How long something took is measured where the outside world is waited for, not in rules. */
  @Test
  void rulesMeasureNothing() {
    noClasses()
        .that()
        .resideInAnyPackage(RULES)
        .or()
        .resideInAPackage("io.lethe.streams..")
        .should()
        .callMethod(System.class, "nanoTime")
        .check(classes);
  }

  @Test
  void subTopologiesMeetOnlyInTheTopology() {
    for (String one : RULES) {
      noClasses()
          .that()
          .resideInAPackage(one)
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage(
              Stream.of(RULES).filter(other -> !other.equals(one)).toArray(String[]::new))
          .check(classes);
    }
  }

  /** A rule about a room that was renamed holds nothing. */
  @Test
  void everyRoomThatARuleNamesIsThere() {
    assertThat(Stream.of(DJL_FREE, KAFKA_FREE, RULES, TIMELESS).flatMap(Stream::of))
        .allSatisfy(
            room ->
                assertThat((Iterable<JavaClass>) classes.that(resideInAPackage(room)))
                    .isNotEmpty());
  }

  /** Looks at sources: the compiler leaves no trace of a package-info without annotations. */
  @ParameterizedTest
  @ValueSource(strings = {"src/main/java", "../schemas/src/main/java"})
  void everyPackageSaysWhatItIsFor(Path sources) throws IOException {
    try (Stream<Path> files = Files.walk(sources)) {
      List<Path> packages =
          files
              .filter(file -> file.toString().endsWith(".java"))
              .map(Path::getParent)
              .distinct()
              .toList();
      assertThat(packages)
          .isNotEmpty()
          .allMatch(directory -> Files.exists(directory.resolve("package-info.java")));
    }
  }
}
