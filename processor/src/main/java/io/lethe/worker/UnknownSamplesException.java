package io.lethe.worker;

import java.util.List;

/** A job names samples that its dataset lacks. The message says how many, not which. */
final class UnknownSamplesException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final transient List<String> sampleIds;

  UnknownSamplesException(List<String> sampleIds, int named) {
    super(
        "the dataset lacks %d of %d samples that the job names".formatted(sampleIds.size(), named));
    this.sampleIds = List.copyOf(sampleIds);
  }

  /** Those samples. */
  List<String> sampleIds() {
    return sampleIds;
  }
}
