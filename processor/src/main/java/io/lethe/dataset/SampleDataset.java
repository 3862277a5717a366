package io.lethe.dataset;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * Labelled samples with stable ids, at positions 0 to {@link #size()} − 1.
 *
 * <p>Immutable and thread-safe: the same position gives the same numbers every time, without
 * augmentation.
 */
public interface SampleDataset {
  int size();

  /** Number of classes; labels are 0 to {@code classes() - 1}. */
  int classes();

  /** Channels, height, width. */
  Shape sampleShape();

  /** Id of the sample at a position, unique in the dataset and its other splits. */
  String sampleId(int index);

  /** Position of a sample; empty where the dataset has no such id. */
  OptionalInt indexOf(String sampleId);

  int label(int index);

  /**
   * Copies samples into arrays.
   *
   * @param manager owns both arrays
   * @param indices B positions
   * @return x: float32 (B, C, H, W), normalised as the URI says; y: int64 (B)
   */
  NDList batch(NDManager manager, int[] indices);

  /** To whom a sample belongs, where the dataset knows. */
  Optional<String> subject(int index);

  /** SHA-256 over shape, values and labels, lower-case hex. Two equal datasets have one digest. */
  String digest();
}
