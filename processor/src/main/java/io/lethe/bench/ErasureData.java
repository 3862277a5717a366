package io.lethe.bench;

import io.lethe.dataset.Datasets;
import io.lethe.dataset.LineageFile;
import io.lethe.dataset.SampleDataset;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.IntStream;

/**
 * Training and holdout samples of one trial, with the data subjects they came from.
 *
 * <p>Of a dataset that is cut, whole data subjects are kept, drawn at random. A share of labels may
 * be changed to another class, drawn at random, in both splits alike: a model gets those of the
 * training split right only by memorising them, and one that never saw them treats them as it
 * treats those of the holdout split.
 *
 * @param train what models are trained on
 * @param holdout what none of them sees
 * @param changed positions in {@code train} whose label was changed
 * @param holdoutChanged positions in {@code holdout} whose label was changed
 * @param subjects positions in {@code train} by data subject
 */
record ErasureData(
    SampleDataset train,
    SampleDataset holdout,
    BitSet changed,
    BitSet holdoutChanged,
    Map<String, List<Integer>> subjects) {

  /**
   * @param uri dataset; its {@code #test} split is the holdout set
   * @param lineage who its samples belong to, where the dataset does not know
   * @param samples about how many training samples to keep; 0 for all
   * @param changedShare share of labels to change, in [0, 1)
   * @param seed of what is kept and changed
   */
  static ErasureData open(
      String uri, Optional<Path> lineage, int samples, double changedShare, long seed) {
    int fragment = uri.indexOf('#');
    SampleDataset train = Datasets.open(uri);
    SampleDataset test = Datasets.open((fragment < 0 ? uri : uri.substring(0, fragment)) + "#test");
    Map<String, List<Integer>> all =
        lineage.map(file -> bySubject(train, file)).orElseGet(() -> bySubject(train, uri));
    List<String> names = new ArrayList<>(all.keySet());
    Collections.shuffle(names, new Random(seed));
    TreeMap<Integer, String> kept = new TreeMap<>();
    for (String name : names) {
      if (samples == 0 || kept.size() < samples) {
        all.get(name).forEach(position -> kept.put(position, name));
      }
    }
    int[] positions = kept.keySet().stream().mapToInt(Integer::intValue).toArray();
    BitSet changed = new BitSet();
    BitSet holdoutChanged = new BitSet();
    SampleDataset relabelled =
        relabel(
            train,
            positions,
            kept.values().toArray(String[]::new),
            changedShare,
            2 * seed,
            changed);
    SampleDataset holdout =
        relabel(
            test,
            IntStream.range(0, test.size()).toArray(),
            new String[test.size()],
            changedShare,
            2 * seed + 1,
            holdoutChanged);
    Map<String, List<Integer>> subjects = new TreeMap<>();
    for (int i = 0; i < positions.length; i++) {
      subjects.computeIfAbsent(kept.get(positions[i]), name -> new ArrayList<>()).add(i);
    }
    return new ErasureData(relabelled, holdout, changed, holdoutChanged, subjects);
  }

  /** Positions of the samples of so many data subjects, drawn at random, ascending. */
  List<int[]> batches(int batches, int subjectsPerBatch, long seed) {
    List<String> names = new ArrayList<>(subjects.keySet());
    if (names.size() <= batches * subjectsPerBatch) {
      throw new IllegalArgumentException(
          "%d batches of %d data subjects: the dataset has %d of them"
              .formatted(batches, subjectsPerBatch, names.size()));
    }
    Collections.shuffle(names, new Random(~seed));
    List<int[]> drawn = new ArrayList<>();
    for (int b = 0; b < batches; b++) {
      drawn.add(
          names.subList(b * subjectsPerBatch, (b + 1) * subjectsPerBatch).stream()
              .flatMap(name -> subjects.get(name).stream())
              .mapToInt(Integer::intValue)
              .sorted()
              .toArray());
    }
    return drawn;
  }

  private static SampleDataset relabel(
      SampleDataset base,
      int[] positions,
      String[] subjects,
      double share,
      long seed,
      BitSet changed) {
    Random random = new Random(seed);
    int[] labels = new int[positions.length];
    for (int i = 0; i < labels.length; i++) {
      int label = base.label(positions[i]);
      boolean change = random.nextDouble() < share;
      int other = (label + 1 + random.nextInt(base.classes() - 1)) % base.classes();
      changed.set(i, change);
      labels[i] = change ? other : label;
    }
    return new RelabelledDataset(base, positions, labels, subjects);
  }

  private static Map<String, List<Integer>> bySubject(SampleDataset train, Path lineage) {
    Map<String, List<Integer>> subjects = new TreeMap<>();
    LineageFile.read(lineage)
        .forEach(
            (subject, ids) ->
                subjects.put(
                    subject,
                    ids.stream()
                        .map(
                            id ->
                                train
                                    .indexOf(id)
                                    .orElseThrow(
                                        () ->
                                            new IllegalArgumentException(
                                                lineage
                                                    + ": names samples that the dataset lacks")))
                        .toList()));
    return subjects;
  }

  private static Map<String, List<Integer>> bySubject(SampleDataset train, String uri) {
    Map<String, List<Integer>> subjects = new TreeMap<>();
    for (int i = 0; i < train.size(); i++) {
      String subject =
          train
              .subject(i)
              .orElseThrow(
                  () ->
                      new IllegalArgumentException(
                          uri + " does not say whom its samples belong to: give --lineage FILE"));
      subjects.computeIfAbsent(subject, name -> new ArrayList<>()).add(i);
    }
    return subjects;
  }
}
