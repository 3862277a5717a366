package io.lethe.dataset;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashSet;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class SyntheticDigitsTest {
  private static final String URI = "synthetic:digits?samples=2000&subjects=50&seed=4";

  @Test
  void isAFunctionOfItsUri() {
    SampleDataset data = Datasets.open(URI);

    assertThat(Datasets.open(URI + "#train").digest()).isEqualTo(data.digest());
    assertThat(Datasets.open(URI + "#test").digest()).isNotEqualTo(data.digest());
    assertThat(Datasets.open(URI.replace("seed=4", "seed=5")).digest()).isNotEqualTo(data.digest());
  }

  @Test
  void samplesBelongToSubjectsInEqualSharesAndTestSubjectsAreOthers() {
    SampleDataset train = Datasets.open(URI);
    SampleDataset test = Datasets.open(URI + "#test");

    Set<String> subjects = subjects(train);
    Set<String> others = subjects(test);

    assertThat(subjects).hasSize(50);
    assertThat(IntStream.range(0, 2000).filter(i -> train.subject(i).equals(train.subject(0))))
        .hasSize(40);
    assertThat(test.size()).isEqualTo(500);
    assertThat(others).isNotEmpty().doesNotContainAnyElementsOf(subjects);
  }

  @Test
  void theShareOfWrongLabelsIsTheNoise() {
    // The same seed draws the same images whatever the noise, so clean labels can be compared.
    SampleDataset clean = Datasets.open(URI + "&noise=0");
    SampleDataset noisy = Datasets.open(URI + "&noise=0.15");

    long wrong = IntStream.range(0, 2000).filter(i -> clean.label(i) != noisy.label(i)).count();

    assertThat(wrong).isBetween(250L, 350L);
  }

  private static Set<String> subjects(SampleDataset data) {
    Set<String> subjects = new HashSet<>();
    for (int i = 0; i < data.size(); i++) {
      subjects.add(data.subject(i).orElseThrow());
    }
    return subjects;
  }
}
