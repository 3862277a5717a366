package io.lethe.dataset;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HexFormat;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.IntStream;

/** A dataset without some of its samples; the others move up. */
public final class SubsetDataset implements SampleDataset {
  private final SampleDataset whole;
  private final int[] positions;

  private SubsetDataset(SampleDataset whole, int[] positions) {
    this.whole = whole;
    this.positions = positions;
  }

  /**
   * The dataset without the named samples; those that it lacks are passed over.
   *
   * @return {@code dataset} itself where it has none of them
   */
  public static SampleDataset without(SampleDataset dataset, Iterable<String> sampleIds) {
    BitSet left = new BitSet();
    left.set(0, dataset.size());
    sampleIds.forEach(id -> dataset.indexOf(id).ifPresent(left::clear));
    return left.cardinality() == dataset.size()
        ? dataset
        : new SubsetDataset(dataset, left.stream().toArray());
  }

  @Override
  public int size() {
    return positions.length;
  }

  @Override
  public int classes() {
    return whole.classes();
  }

  @Override
  public Shape sampleShape() {
    return whole.sampleShape();
  }

  @Override
  public String sampleId(int index) {
    return whole.sampleId(positions[index]);
  }

  @Override
  public OptionalInt indexOf(String sampleId) {
    OptionalInt at = whole.indexOf(sampleId);
    int found = at.isPresent() ? Arrays.binarySearch(positions, at.getAsInt()) : -1;
    return found < 0 ? OptionalInt.empty() : OptionalInt.of(found);
  }

  @Override
  public int label(int index) {
    return whole.label(positions[index]);
  }

  @Override
  public NDList batch(NDManager manager, int[] indices) {
    return whole.batch(manager, Arrays.stream(indices).map(i -> positions[i]).toArray());
  }

  @Override
  public Optional<String> subject(int index) {
    return whole.subject(positions[index]);
  }

  @Override
  public String digest() {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      digest.update(whole.digest().getBytes(StandardCharsets.US_ASCII));
      IntStream.of(positions)
          .forEach(at -> digest.update((at + ",").getBytes(StandardCharsets.US_ASCII)));
      return HexFormat.of().formatHex(digest.digest());
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }
}
