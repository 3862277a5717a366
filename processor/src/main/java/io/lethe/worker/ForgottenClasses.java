package io.lethe.worker;

import io.lethe.dataset.SampleDataset;
import io.lethe.events.ResolvedClass;
import io.lethe.unlearning.UnlearningException;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;

/** The samples of whole classes. */
final class ForgottenClasses {
  private ForgottenClasses() {}

  /**
   * The samples that a dataset has of each class.
   *
   * @param labels whole numbers from 0, as text
   */
  static List<ResolvedClass> resolve(SampleDataset dataset, List<String> labels) {
    return labels.stream()
        .map(label -> new ResolvedClass(label, samples(dataset, number(label, dataset.classes()))))
        .toList();
  }

  /** The labels as numbers, of classes that {@link #resolve} found. */
  static Set<Integer> labels(List<ResolvedClass> classes) {
    return classes.stream()
        .map(found -> Integer.valueOf(found.getLabel()))
        .collect(Collectors.toUnmodifiableSet());
  }

  private static int number(String label, int classes) {
    try {
      int number = Integer.parseInt(label);
      if (number >= 0 && number < classes) {
        return number;
      }
    } catch (NumberFormatException e) {
      // Said below, as for a number that is too large.
    }
    throw new UnlearningException(
        "the job names a class that the dataset lacks: classes are 0 to " + (classes - 1));
  }

  private static List<String> samples(SampleDataset dataset, int label) {
    List<String> ids = new ArrayList<>();
    for (int i = 0; i < dataset.size(); i++) {
      if (dataset.label(i) == label) {
        ids.add(dataset.sampleId(i));
      }
    }
    ids.sort(null);
    return ids;
  }
}
