package io.lethe.offline;

import io.lethe.dataset.SampleDataset;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;
import java.util.TreeSet;

/** A text file of sample ids, one on a line; empty lines and repeated ids do no harm. */
public final class SampleList {
  private SampleList() {}

  /**
   * Positions of a file's samples, ascending and distinct.
   *
   * @throws IllegalArgumentException in one line with the first line that names no sample. The id
   *     itself is not said: it may be somebody's name.
   */
  public static int[] positions(Path file, SampleDataset dataset) {
    List<String> lines;
    try {
      lines = Files.readAllLines(file);
    } catch (IOException e) {
      throw new IllegalArgumentException(file + ": no such file, or not readable as UTF-8 text", e);
    }
    TreeSet<Integer> positions = new TreeSet<>();
    int unknown = 0;
    int first = 0;
    for (int line = 0; line < lines.size(); line++) {
      String id = lines.get(line).strip();
      if (id.isEmpty()) {
        continue;
      }
      OptionalInt position = dataset.indexOf(id);
      if (position.isPresent()) {
        positions.add(position.getAsInt());
      } else if (unknown++ == 0) {
        first = line + 1;
      }
    }
    if (unknown > 0) {
      throw new IllegalArgumentException(
          "%s: line %d is no sample of the dataset, whose ids look like %s (unknown ids in all: %d)"
              .formatted(file, first, dataset.sampleId(0), unknown));
    }
    if (positions.isEmpty()) {
      throw new IllegalArgumentException(file + ": names no sample");
    }
    return positions.stream().mapToInt(Integer::intValue).toArray();
  }
}
