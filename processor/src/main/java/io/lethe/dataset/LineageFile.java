package io.lethe.dataset;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.MappingIterator;
import com.fasterxml.jackson.dataformat.csv.CsvMapper;
import com.fasterxml.jackson.dataformat.csv.CsvParser;
import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.MalformedInputException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.LongConsumer;
import java.util.zip.GZIPInputStream;
import java.util.zip.ZipException;

/**
 * Reads who a dataset's samples belong to: CSV with the columns sample_id and subject_id, or .gz.
 * The header names the columns, in any order and beside others.
 */
public final class LineageFile {
  private static final String SAMPLE = "sample_id";
  private static final String SUBJECT = "subject_id";
  private static final int BUFFER = 1 << 16;

  private LineageFile() {}

  /** Takes one row. */
  @FunctionalInterface
  public interface Row {
    void take(String sampleId, String subjectId) throws IOException;
  }

  /**
   * Samples by subject.
   *
   * @throws IllegalArgumentException in one line naming the file (and line), without its content
   */
  public static Map<String, List<String>> read(Path file) {
    Map<String, List<String>> samples = new TreeMap<>();
    forEach(
        file,
        (sample, subject) ->
            samples.computeIfAbsent(subject, name -> new ArrayList<>()).add(sample),
        bytes -> {});
    return samples;
  }

  /**
   * Hands the rows over one by one.
   *
   * @param progress is told now and then how many bytes of the file have been read
   * @return how many rows there are; at least 1
   * @throws IllegalArgumentException in one line naming the file (and line), without its content
   * @throws UncheckedIOException when {@code row} throws
   */
  public static long forEach(Path file, Row row, LongConsumer progress) {
    long line = 1;
    try (InputStream in = open(file, progress);
        MappingIterator<String[]> rows =
            new CsvMapper()
                .readerFor(String[].class)
                .withFeatures(CsvParser.Feature.WRAP_AS_ARRAY, CsvParser.Feature.SKIP_EMPTY_LINES)
                .readValues(in)) {
      if (!rows.hasNextValue()) {
        throw new IllegalArgumentException(file + ": no line of lineage");
      }
      List<String> header = Arrays.stream(rows.nextValue()).map(String::strip).toList();
      int sample = header.indexOf(SAMPLE);
      int subject = header.indexOf(SUBJECT);
      if (sample < 0 || subject < 0) {
        throw new IllegalArgumentException(
            "%s: line 1 does not name the columns %s and %s".formatted(file, SAMPLE, SUBJECT));
      }
      long count = 0;
      line = rows.getParser().currentLocation().getLineNr();
      while (rows.hasNextValue()) {
        String[] values = rows.nextValue();
        if (values.length > header.size()
            || isMissing(values, sample)
            || isMissing(values, subject)) {
          throw new IllegalArgumentException(
              "%s: line %d lacks %s or %s, or has more columns than the first"
                  .formatted(file, line, SAMPLE, SUBJECT));
        }
        take(row, values[sample], values[subject]);
        count++;
        line = rows.getParser().currentLocation().getLineNr();
      }
      if (count == 0) {
        throw new IllegalArgumentException(file + ": no line of lineage");
      }
      return count;
    } catch (IOException e) {
      throw new IllegalArgumentException(
          "%s: line %d or after: %s".formatted(file, line, describe(e)), e);
    }
  }

  private static boolean isMissing(String[] values, int column) {
    return column >= values.length || values[column] == null || values[column].isEmpty();
  }

  private static void take(Row row, String sampleId, String subjectId) {
    try {
      row.take(sampleId, subjectId);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** What is wrong, without the text that it is wrong with. */
  private static String describe(IOException error) {
    for (Throwable cause = error; cause != null; cause = cause.getCause()) {
      if (cause instanceof EOFException || cause instanceof ZipException) {
        return "the gzip data is damaged or ends early";
      }
      if (cause instanceof MalformedInputException) {
        return "not UTF-8";
      }
    }
    if (error instanceof JacksonException) {
      return "not CSV";
    }
    return "not readable (" + error.getClass().getSimpleName() + ")";
  }

  private static InputStream open(Path file, LongConsumer progress) throws IOException {
    InputStream raw =
        new BufferedInputStream(new Counting(Files.newInputStream(file), progress), BUFFER);
    return file.toString().endsWith(".gz") ? new GZIPInputStream(raw, BUFFER) : raw;
  }

  /** Says how many bytes have been read. */
  private static final class Counting extends FilterInputStream {
    private final LongConsumer progress;
    private long bytes;

    Counting(InputStream in, LongConsumer progress) {
      super(in);
      this.progress = progress;
    }

    @Override
    public int read() throws IOException {
      throw new IOException("read in blocks");
    }

    @Override
    public int read(byte[] buffer, int offset, int length) throws IOException {
      int count = super.read(buffer, offset, length);
      bytes += Math.max(0, count);
      progress.accept(bytes);
      return count;
    }
  }
}
