package io.lethe.demo;

import com.fasterxml.jackson.databind.MappingIterator;
import com.fasterxml.jackson.dataformat.csv.CsvMapper;
import com.fasterxml.jackson.dataformat.csv.CsvSchema;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.zip.GZIPInputStream;

/**
 * Reads who a dataset's samples belong to: CSV with the columns sample_id and subject_id, or .gz.
 */
public final class LineageFile {
  private static final String SAMPLE = "sample_id";
  private static final String SUBJECT = "subject_id";

  private LineageFile() {}

  /**
   * Samples by subject.
   *
   * @throws IllegalArgumentException in one line naming the file (and line), without its content
   */
  public static Map<String, List<String>> read(Path file) {
    Map<String, List<String>> samples = new TreeMap<>();
    try (InputStream in = open(file);
        MappingIterator<Map<String, String>> rows =
            new CsvMapper()
                .readerForMapOf(String.class)
                .with(CsvSchema.emptySchema().withHeader())
                .readValues(in)) {
      while (rows.hasNextValue()) {
        Map<String, String> row = rows.nextValue();
        String sample = row.get(SAMPLE);
        String subject = row.get(SUBJECT);
        if (sample == null || sample.isEmpty() || subject == null || subject.isEmpty()) {
          throw new IllegalArgumentException(
              "%s: line %d lacks %s or %s"
                  .formatted(file, rows.getCurrentLocation().getLineNr(), SAMPLE, SUBJECT));
        }
        samples.computeIfAbsent(subject, name -> new ArrayList<>()).add(sample);
      }
    } catch (IOException e) {
      throw new IllegalArgumentException(
          "%s: not a readable lineage file (%s)".formatted(file, e.getClass().getSimpleName()), e);
    }
    if (samples.isEmpty()) {
      throw new IllegalArgumentException(file + ": no line of lineage");
    }
    return samples;
  }

  private static InputStream open(Path file) throws IOException {
    InputStream raw = new BufferedInputStream(Files.newInputStream(file));
    return file.toString().endsWith(".gz") ? new GZIPInputStream(raw) : raw;
  }
}
