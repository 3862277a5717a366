package io.lethe.worker;

import io.lethe.dataset.Datasets;
import io.lethe.dataset.SampleDataset;
import java.util.LinkedHashMap;
import java.util.Map;

/** Keeps the datasets of recent jobs in memory: batches of one model follow each other. */
final class DatasetCache {
  /** A training and a holdout set each of two models. */
  private static final int MAX_DATASETS = 4;

  private final Map<String, SampleDataset> open = new LinkedHashMap<>(8, 0.75f, true);

  synchronized SampleDataset open(String uri) {
    SampleDataset cached = open.get(uri);
    if (cached != null) {
      return cached;
    }
    if (open.size() == MAX_DATASETS) {
      open.remove(open.keySet().iterator().next());
    }
    SampleDataset dataset = Datasets.open(uri);
    open.put(uri, dataset);
    return dataset;
  }
}
