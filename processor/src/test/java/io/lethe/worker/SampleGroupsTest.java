package io.lethe.worker;

import static org.assertj.core.api.Assertions.assertThat;

import io.lethe.dataset.SampleDataset;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Samples of a data subject are in one group, as lineage has them. */
class SampleGroupsTest {
  private static final int SIZE = 12;

  private static final List<List<String>> LINEAGE =
      List.of(
          List.of("1", "5", "9"),
          List.of("2", "3"),
          List.of("3", "8"), // shares a sample with the one before
          List.of("elsewhere", "10", "gone", "11"),
          List.of("0"),
          List.of());

  private static List<List<Integer>> groups(SampleDataset dataset, List<List<String>> lineage) {
    IntFunction<String> group =
        SampleGroups.of(
            dataset,
            "d",
            (datasetId, samples, alive) -> {
              assertThat(datasetId).isEqualTo("d");
              lineage.forEach(samples);
            },
            () -> {});
    Map<String, List<Integer>> found = new TreeMap<>();
    IntStream.range(0, SIZE)
        .forEach(i -> found.computeIfAbsent(group.apply(i), g -> new ArrayList<>()).add(i));
    return found.values().stream().filter(one -> one.size() > 1).toList();
  }

  @Test
  void theSamplesOfASubjectAreOneGroupAndSubjectsWhoShareASampleToo() {
    assertThat(groups(new StubDataset(SIZE, 0, Map.of()), LINEAGE))
        .containsExactlyInAnyOrder(List.of(1, 5, 9), List.of(2, 3, 8), List.of(10, 11));
  }

  @Test
  void theOrderOfTheSubjectsAndOfTheirSamplesMakesNoDifference() {
    // Given
    Random random = new Random(1);
    IntFunction<String> expected =
        SampleGroups.of(
            new StubDataset(SIZE, 0, Map.of()),
            "d",
            (id, samples, alive) -> LINEAGE.forEach(samples),
            () -> {});
    for (int i = 0; i < 50; i++) {
      List<List<String>> shuffled = new ArrayList<>();
      LINEAGE.forEach(subject -> shuffled.add(new ArrayList<>(subject)));
      shuffled.forEach(subject -> Collections.shuffle(subject, random));
      Collections.shuffle(shuffled, random);

      // When
      IntFunction<String> group =
          SampleGroups.of(
              new StubDataset(SIZE, 0, Map.of()),
              "d",
              (id, samples, alive) -> shuffled.forEach(samples),
              () -> {});

      // Then: also by the same names
      IntStream.range(0, SIZE)
          .forEach(index -> assertThat(group.apply(index)).isEqualTo(expected.apply(index)));
    }
  }

  @Test
  void whatTheDatasetKnowsItselfCountsAsWell() {
    assertThat(groups(new StubDataset(SIZE, 0, Map.of(0, "a", 1, "a")), LINEAGE))
        .containsExactlyInAnyOrder(List.of(0, 1, 5, 9), List.of(2, 3, 8), List.of(10, 11));
  }

  @Test
  void aDatasetThatKnowsAllItsSubjectsIsNotAskedAbout() {
    // Given
    Map<Integer, String> all = new TreeMap<>();
    IntStream.range(0, SIZE).forEach(i -> all.put(i, "p" + i % 2));

    // When
    IntFunction<String> group =
        SampleGroups.of(
            new StubDataset(SIZE, 0, all),
            "d",
            (id, samples, alive) -> {
              throw new AssertionError("asked");
            },
            () -> {});

    // Then
    assertThat(IntStream.range(0, SIZE).mapToObj(group).distinct()).containsExactly("p0", "p1");
  }
}
