package io.lethe.batching;

import static org.assertj.core.api.Assertions.assertThat;

import io.lethe.events.CompletionStage;
import io.lethe.events.DeepCleanParameters;
import io.lethe.events.GateThresholds;
import io.lethe.events.ModelFormat;
import io.lethe.events.ModelRegistered;
import io.lethe.events.UnlearningPolicy;
import io.lethe.state.ModelState;
import io.lethe.state.Phase;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class LeadTimeTest {
  private static final Instant START = Instant.parse("2026-01-31T12:00:00Z");
  private static final BatchingSettings SETTINGS = BatchingSettings.DEFAULTS;

  private static ModelState state(CompletionStage completion, List<Long> jobs, List<Long> trained) {
    UnlearningPolicy policy =
        UnlearningPolicy.newBuilder()
            .setMaxRequests(1)
            .setMaxAgeMillis(1)
            .setDeepclean(DeepCleanParameters.newBuilder().setQuantile(0.1).build())
            .setGate(GateThresholds.newBuilder().build())
            .setCompletion(completion)
            .build();
    ModelRegistered registration =
        ModelRegistered.newBuilder()
            .setModelId("m")
            .setFormat(ModelFormat.DJL)
            .setArtifactUri("file:/m")
            .setArtifactSha256("a")
            .setDatasetId("d")
            .setDatasetUri("synthetic:digits")
            .setPolicy(policy)
            .setRegisteredAt(START)
            .build();
    return ModelState.newBuilder()
        .setRegistration(registration)
        .setPhase(Phase.COLLECTING)
        .setAnchorId("a")
        .setVersion(0)
        .setArtifactSha256("a")
        .setVersionAt(START)
        .setTrainingSamples(0)
        .setErasedSamples(0)
        .setNextTask(0)
        .setFirstTask(0)
        .setPendingRequests(0)
        .setPendingSamples(0)
        .setBatchEnd(0)
        .setBatches(0)
        .setAttempt(1)
        .setRung(0)
        .setFiredAt(START)
        .setJobMillis(jobs)
        .setRetrainMillis(trained)
        .build();
  }

  private static Long hours(int hours) {
    return Duration.ofHours(hours).toMillis();
  }

  @ParameterizedTest
  @CsvSource({
    "'',       168", // none yet: the longest
    "'3',      6", // it may fail at its end and run once more
    "'3 10 5', 20", // the longest of them
    "'0',      1", // the least
    "'100',    168", // the most
  })
  void aBatchFiresTwiceTheLongestOfTheLastJobsBeforeTheDueDate(String jobs, int lead) {
    // Given
    List<Long> millis =
        Arrays.stream(jobs.split(" "))
            .filter(text -> !text.isEmpty())
            .map(text -> hours(Integer.parseInt(text)))
            .toList();

    // When
    Duration of =
        LeadTime.of(state(CompletionStage.UNLEARNED, millis, List.of(hours(50))), SETTINGS);

    // Then
    assertThat(of).isEqualTo(Duration.ofHours(lead));
  }

  @Test
  void whereARetrainingCompletesARequestItHasToFitToo() {
    // When
    ModelState state =
        state(CompletionStage.EXACT, List.of(hours(3)), List.of(hours(10), hours(4)));

    // Then
    assertThat(LeadTime.ofRetraining(state, SETTINGS)).isEqualTo(Duration.ofHours(20));
    assertThat(LeadTime.of(state, SETTINGS)).isEqualTo(Duration.ofHours(26));
  }

  @Test
  void aSlowJobIsForgottenAfterEightMore() {
    // Given
    List<Long> last = List.of(hours(30));
    ModelState state = state(CompletionStage.UNLEARNED, last, List.of());

    // When
    for (int job = 1; job <= 8; job++) {
      assertThat(last).contains(hours(30));
      last = new ArrayList<>(LeadTime.learn(last, state, START.plus(Duration.ofHours(job))));
    }

    // Then
    assertThat(last)
        .containsExactlyElementsOf(
            LongStream.rangeClosed(1, 8).mapToObj(hour -> hours((int) hour)).toList());
  }
}
