package io.lethe.fisher;

/**
 * The two sums of an anchor, at the anchor's weights.
 *
 * @param retained per-sample squared gradients summed over the retained samples
 * @param erased the same over the samples erased since the anchor
 */
public record FisherSums(FisherDiagonal retained, FisherDiagonal erased) {}
