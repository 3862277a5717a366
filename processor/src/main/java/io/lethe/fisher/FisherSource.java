package io.lethe.fisher;

/** Where a worker gets an anchor's Fisher sums from. */
public interface FisherSource {
  /**
   * The sums as of the last applied update.
   *
   * @throws FisherUnavailableException when they cannot be had now, e.g. while stores move
   */
  FisherSums sums(String modelId, String anchorId);
}
