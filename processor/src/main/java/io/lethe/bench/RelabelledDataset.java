package io.lethe.bench;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.lethe.artifact.Sha256;
import io.lethe.dataset.SampleDataset;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/** Some samples of a dataset, each under a label that may differ from the dataset's. */
final class RelabelledDataset implements SampleDataset {
  private final SampleDataset base;
  private final int[] positions;
  private final int[] labels;
  private final String[] subjects;
  private final Map<String, Integer> byId = new HashMap<>();

  /**
   * @param positions in {@code base}, distinct
   * @param labels one for each of them
   * @param subjects to whom each belongs
   */
  RelabelledDataset(SampleDataset base, int[] positions, int[] labels, String[] subjects) {
    this.base = base;
    this.positions = positions.clone();
    this.labels = labels.clone();
    this.subjects = subjects.clone();
    for (int i = 0; i < positions.length; i++) {
      byId.put(base.sampleId(positions[i]), i);
    }
  }

  @Override
  public int size() {
    return positions.length;
  }

  @Override
  public int classes() {
    return base.classes();
  }

  @Override
  public Shape sampleShape() {
    return base.sampleShape();
  }

  @Override
  public String sampleId(int index) {
    return base.sampleId(positions[index]);
  }

  @Override
  public OptionalInt indexOf(String sampleId) {
    Integer index = byId.get(sampleId);
    return index == null ? OptionalInt.empty() : OptionalInt.of(index);
  }

  @Override
  public int label(int index) {
    return labels[index];
  }

  @Override
  public NDList batch(NDManager manager, int[] indices) {
    int[] there = Arrays.stream(indices).map(index -> positions[index]).toArray();
    long[] y = Arrays.stream(indices).mapToLong(index -> labels[index]).toArray();
    NDList xy = base.batch(manager, there);
    xy.get(1).close();
    NDArray relabelled = manager.create(y, new Shape(y.length));
    return new NDList(xy.get(0), relabelled);
  }

  @Override
  public Optional<String> subject(int index) {
    return Optional.ofNullable(subjects[index]);
  }

  @Override
  public String digest() {
    String content = base.digest() + Arrays.toString(positions) + Arrays.toString(labels);
    return Sha256.of(content.getBytes(StandardCharsets.UTF_8));
  }
}
