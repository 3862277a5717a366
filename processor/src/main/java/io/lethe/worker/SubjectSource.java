package io.lethe.worker;

import java.util.List;
import java.util.function.Consumer;

/** Who the samples of a dataset belong to, where the dataset itself does not say so. */
@FunctionalInterface
public interface SubjectSource {
  /**
   * Hands over the sample ids of each data subject. A subject may come more than once, the last
   * time with what is true.
   *
   * @param alive is called now and then: reading may take long
   */
  void forEachSubject(String datasetId, Consumer<List<String>> samples, Runnable alive);
}
