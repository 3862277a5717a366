package io.lethe.worker;

import io.lethe.dataset.SampleDataset;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.function.IntFunction;
import java.util.stream.IntStream;

/**
 * Samples of a dataset that belong together, as they are of one data subject: a model that is to
 * have seen none of a subject must not have seen any of them. Subjects who share a sample share a
 * group. Whose they are is not kept: one number a position is all.
 */
public final class SampleGroups {
  /** A position of the same group, in the end the first. */
  private final int[] towardFirst;

  private SampleGroups(int size) {
    towardFirst = IntStream.range(0, size).toArray();
  }

  /**
   * A name of its group for each position. The same samples make the same groups, in whatever order
   * the subjects come.
   *
   * @param source asked only where the dataset does not know the subjects of all its samples
   */
  public static IntFunction<String> of(
      SampleDataset dataset, String datasetId, SubjectSource source, Runnable alive) {
    boolean known =
        IntStream.range(0, dataset.size()).allMatch(index -> dataset.subject(index).isPresent());
    if (known) {
      return index -> dataset.subject(index).orElseThrow();
    }
    SampleGroups groups = new SampleGroups(dataset.size());
    Map<String, Integer> firstOf = new HashMap<>();
    for (int i = 0; i < dataset.size(); i++) {
      int index = i;
      dataset
          .subject(index)
          .ifPresent(subject -> groups.join(firstOf.computeIfAbsent(subject, s -> index), index));
    }
    source.forEachSubject(datasetId, samples -> groups.join(dataset, samples), alive);
    return index -> Integer.toString(groups.first(index));
  }

  private void join(SampleDataset dataset, List<String> samples) {
    int before = -1;
    for (String id : samples) {
      OptionalInt position = dataset.indexOf(id);
      if (position.isPresent()) {
        if (before >= 0) {
          join(before, position.getAsInt());
        }
        before = position.getAsInt();
      }
    }
  }

  private void join(int one, int other) {
    int first = first(one);
    int second = first(other);
    towardFirst[Math.max(first, second)] = Math.min(first, second);
  }

  private int first(int index) {
    int at = index;
    while (towardFirst[at] != at) {
      towardFirst[at] = towardFirst[towardFirst[at]];
      at = towardFirst[at];
    }
    return at;
  }
}
