package io.lethe.dataset;

/**
 * Opens datasets by URI.
 *
 * <ul>
 *   <li>{@code idx:DIR} — MNIST's files, plain or {@code .gz}; splits {@code #train} (default) and
 *       {@code #test}; ids {@code train-00000}, …
 *   <li>{@code cifar10:DIR} — CIFAR-10's binary version; splits and ids as above
 *   <li>{@code npz:FILE} — NumPy arrays {@code x}, {@code y} and perhaps {@code ids}; without them
 *       the position is the id
 *   <li>{@code images:DIR} — a folder of images per class; ids are relative paths
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
      case "cifar10" -> Cifar10Reader.read(parsed);
      case "npz" -> NpzReader.read(parsed);
      case "images" -> ImageFolderReader.read(parsed);
      case "synthetic" -> SyntheticDigits.generate(parsed);
      default ->
          throw new DatasetException(
              "%s: unknown kind of dataset; known are idx, cifar10, npz, images, synthetic"
                  .formatted(uri));
    };
  }
}
