package io.lethe.worker;

import io.lethe.dataset.SampleDataset;
import io.lethe.events.ResolvedClass;
import io.lethe.unlearning.UnlearningException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** The samples of whole classes. Classes are named by their labels: whole numbers from 0. */
final class ForgottenClasses {
  private ForgottenClasses() {}

  /**
   * The samples that a dataset has of each class. Of a class that it lacks it has none: a request
   * for all models must not stop one that never knew the class.
   *
   * @throws UnlearningException when they are more than an outcome can name
   */
  static List<ResolvedClass> resolve(SampleDataset dataset, List<String> names) {
    List<ResolvedClass> found =
        names.stream().map(name -> new ResolvedClass(name, samples(dataset, label(name)))).toList();
    long bytes =
        found.stream().flatMap(of -> of.getSampleIds().stream()).mapToLong(Outcomes::bytes).sum();
    if (bytes > Outcomes.MAX_ID_BYTES) {
      throw new UnlearningException(
          "the classes of the job have more samples than its outcome can name: the ids take %d"
                  .formatted(bytes)
              + " bytes of at most "
              + Outcomes.MAX_ID_BYTES);
    }
    return found;
  }

  /** The labels of classes; what is no whole number from 0 is no class that any model knows. */
  static Set<Integer> labels(Collection<String> names) {
    return names.stream()
        .map(ForgottenClasses::label)
        .flatMapToInt(OptionalInt::stream)
        .boxed()
        .collect(Collectors.toUnmodifiableSet());
  }

  /** Ids of the samples that have one of the labels. */
  static List<String> samples(
      SampleDataset dataset, Set<Integer> labels, Predicate<String> wanted) {
    if (labels.isEmpty()) {
      return List.of();
    }
    return IntStream.range(0, dataset.size())
        .filter(index -> labels.contains(dataset.label(index)))
        .mapToObj(dataset::sampleId)
        .filter(wanted)
        .toList();
  }

  private static List<String> samples(SampleDataset dataset, OptionalInt label) {
    if (label.isEmpty()) {
      return List.of();
    }
    List<String> ids = new ArrayList<>(samples(dataset, Set.of(label.getAsInt()), id -> true));
    ids.sort(null);
    return ids;
  }

  private static OptionalInt label(String name) {
    try {
      int label = Integer.parseInt(name);
      return label >= 0 ? OptionalInt.of(label) : OptionalInt.empty();
    } catch (NumberFormatException e) {
      return OptionalInt.empty();
    }
  }
}
