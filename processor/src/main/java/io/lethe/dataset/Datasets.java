package io.lethe.dataset;

/**
 * Opens datasets by URI.
 *
 * <ul>
 *   <li>{@code idx:DIR} — MNIST's files, plain or {@code .gz}; splits {@code #train} (default) and
 *       {@code #test}; ids {@code train-00000}, …
 *   <li>{@code synthetic:digits} — generated; see {@link SyntheticDigits} for its parameters
 * </ul>
 *
 * <p>{@code ?mean=…&std=…} normalises per channel, after bytes were scaled to 0..1.
 */
public final class Datasets {
  private Datasets() {}

  /**
   * @throws DatasetException in one line, when the URI, the path or a file is unusable
   */
  public static SampleDataset open(String uri) {
    DatasetUri parsed = new DatasetUri(uri);
    return switch (parsed.scheme()) {
      case "idx" -> IdxReader.read(parsed);
      case "synthetic" -> SyntheticDigits.generate(parsed);
      default ->
          throw new DatasetException(
              "%s: unknown kind of dataset; known are idx and synthetic".formatted(uri));
    };
  }
}
