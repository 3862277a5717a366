package io.lethe.worker;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.lethe.dataset.SampleDataset;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * Samples without values, of two classes in turn, with their positions as ids.
 *
 * @param digits of an id at least
 * @param subjects by position, of those that are known
 */
record StubDataset(int size, int digits, Map<Integer, String> subjects) implements SampleDataset {
  @Override
  public int classes() {
    return 2;
  }

  @Override
  public Shape sampleShape() {
    return new Shape(1, 1, 1);
  }

  @Override
  public String sampleId(int index) {
    String number = Integer.toString(index);
    return "0".repeat(Math.max(0, digits - number.length())) + number;
  }

  @Override
  public OptionalInt indexOf(String sampleId) {
    return sampleId.matches("[0-9]+")
        ? OptionalInt.of(Integer.parseInt(sampleId))
        : OptionalInt.empty();
  }

  @Override
  public int label(int index) {
    return index % 2;
  }

  @Override
  public NDList batch(NDManager manager, int[] indices) {
    throw new UnsupportedOperationException();
  }

  @Override
  public Optional<String> subject(int index) {
    return Optional.ofNullable(subjects.get(index));
  }

  @Override
  public String digest() {
    return "";
  }
}
