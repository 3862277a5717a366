package io.lethe.demo;

import io.lethe.dataset.Datasets;
import io.lethe.dataset.LineageFile;
import io.lethe.dataset.SampleDataset;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * What the demo is played with.
 *
 * @param trainUri the training split
 * @param train its samples
 * @param holdoutUri the test split of the same data
 * @param holdout its samples
 * @param lineage training samples by data subject
 */
public record DemoData(
    String trainUri,
    SampleDataset train,
    String holdoutUri,
    SampleDataset holdout,
    Map<String, List<String>> lineage) {

  /**
   * Reads everything, so that what cannot be used is known before anything starts.
   *
   * @throws io.lethe.dataset.DatasetException when the dataset is unusable
   * @throws IllegalArgumentException when its lineage is, in one line
   */
  public static DemoData open(DemoSettings settings) {
    String trainUri = settings.dataset();
    int fragment = trainUri.indexOf('#');
    String holdoutUri = (fragment < 0 ? trainUri : trainUri.substring(0, fragment)) + "#test";
    SampleDataset train = Datasets.open(trainUri);
    Map<String, List<String>> lineage =
        settings.lineage().map(LineageFile::read).orElseGet(() -> lineageOf(train, trainUri));
    boolean foreign =
        lineage.values().stream().flatMap(List::stream).anyMatch(id -> train.indexOf(id).isEmpty());
    if (foreign) {
      throw new IllegalArgumentException("the lineage names samples that the dataset lacks");
    }
    int asking = settings.subjectsPerBatch() * settings.batches();
    if (lineage.size() <= asking) {
      throw new IllegalArgumentException(
          "%d people are to ask for erasure, but the dataset is of %d"
              .formatted(asking, lineage.size()));
    }
    return new DemoData(trainUri, train, holdoutUri, Datasets.open(holdoutUri), lineage);
  }

  private static Map<String, List<String>> lineageOf(SampleDataset dataset, String uri) {
    Map<String, List<String>> samples = new TreeMap<>();
    for (int i = 0; i < dataset.size(); i++) {
      String subject =
          dataset
              .subject(i)
              .orElseThrow(
                  () ->
                      new IllegalArgumentException(
                          uri + " does not say whom its samples belong to: give --lineage FILE"));
      samples.computeIfAbsent(subject, name -> new ArrayList<>()).add(dataset.sampleId(i));
    }
    return samples;
  }
}
