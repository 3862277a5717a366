package io.lethe.dataset;

import ai.djl.ndarray.types.Shape;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import javax.imageio.ImageReader;
import javax.imageio.stream.ImageInputStream;

/**
 * Reads a folder per class of PNG, JPEG, GIF or BMP images of one size.
 *
 * <p>Classes are the folders in alphabetical order; a sample's id is its path below the dataset's
 * directory. Where that has folders {@code train} and {@code test}, they are the splits. {@code
 * ?channels=1} reads grey values, 3 (the default) red, green and blue. Images are decoded on all
 * cores when the dataset is opened.
 */
final class ImageFolderReader {
  private static final Set<String> EXTENSIONS = Set.of("png", "jpg", "jpeg", "gif", "bmp");

  private final int channels;
  private final int width;
  private final int height;

  private ImageFolderReader(int channels, int width, int height) {
    this.channels = channels;
    this.width = width;
    this.height = height;
  }

  static SampleDataset read(DatasetUri uri) {
    uri.allowOnly(Set.of("mean", "std", "channels"));
    Path directory = Path.of(uri.location());
    if (!Files.isDirectory(directory)) {
      throw new DatasetException("%s: no directory %s".formatted(uri, directory));
    }
    Path split = directory.resolve(uri.split());
    Path root = Files.isDirectory(split) ? split : directory;
    if (root.equals(directory) && uri.split().equals("test")) {
      throw new DatasetException("%s: no directory %s".formatted(uri, split));
    }
    int channels = (int) uri.number("channels", 3, 1, 3);
    if (channels == 2) {
      throw new DatasetException("%s: channels is 1 or 3".formatted(uri));
    }
    List<Path> classes = list(root, Files::isDirectory);
    List<Path> images = new ArrayList<>();
    List<Integer> labels = new ArrayList<>();
    for (int label = 0; label < classes.size(); label++) {
      for (Path image : list(classes.get(label), ImageFolderReader::isImage)) {
        images.add(image);
        labels.add(label);
      }
    }
    if (images.isEmpty()) {
      throw new DatasetException("%s: no folders with images in %s".formatted(uri, root));
    }
    int[] size = size(images.get(0));
    Heap.check(root, (long) size[0] * size[1] * channels * images.size());
    Shape shape = new Shape(channels, size[1], size[0]);
    return new InMemoryDataset(
        new Values.Bytes(new ImageFolderReader(channels, size[0], size[1]).pixels(images)),
        labels.stream().mapToInt(Integer::intValue).toArray(),
        shape,
        classes.size(),
        new SampleIds.Listed(
            root,
            images.stream()
                .map(image -> directory.relativize(image).toString().replace('\\', '/'))
                .toList()),
        null,
        Normalisation.of(uri, channels));
  }

  private static List<Path> list(Path directory, java.util.function.Predicate<Path> wanted) {
    try (Stream<Path> files = Files.list(directory)) {
      return files.filter(wanted).sorted().toList();
    } catch (IOException e) {
      throw new DatasetException("%s: cannot be read: %s".formatted(directory, e.getMessage()), e);
    }
  }

  private static boolean isImage(Path file) {
    String name = file.getFileName().toString().toLowerCase(Locale.ROOT);
    return Files.isRegularFile(file)
        && EXTENSIONS.contains(name.substring(name.lastIndexOf('.') + 1));
  }

  private byte[] pixels(List<Path> images) {
    int size = width * height * channels;
    byte[] pixels = new byte[Math.multiplyExact(size, images.size())];
    IntStream.range(0, images.size())
        .parallel()
        .forEach(i -> decode(images.get(i), pixels, i * size));
    return pixels;
  }

  /** Width and height from the header, before anything is decoded. */
  private static int[] size(Path file) {
    return withReader(file, reader -> new int[] {reader.getWidth(0), reader.getHeight(0)});
  }

  private void decode(Path file, byte[] pixels, int at) {
    int[] size = size(file);
    if (size[0] != width || size[1] != height) {
      throw new DatasetException(
          "%s: an image of %d by %d pixels among images of %d by %d"
              .formatted(file, size[0], size[1], width, height));
    }
    BufferedImage image = withReader(file, reader -> reader.read(0));
    int plane = width * height;
    for (int y = 0; y < height; y++) {
      for (int x = 0; x < width; x++) {
        int position = at + y * width + x;
        if (channels == 1) {
          pixels[position] = (byte) grey(image, x, y);
        } else {
          int rgb = image.getRGB(x, y);
          pixels[position] = (byte) (rgb >> 16);
          pixels[position + plane] = (byte) (rgb >> 8);
          pixels[position + 2 * plane] = (byte) rgb;
        }
      }
    }
  }

  /** A grey image's own value; of a coloured one the luma of ITU-R BT.601. */
  private static int grey(BufferedImage image, int x, int y) {
    if (image.getType() == BufferedImage.TYPE_BYTE_GRAY) {
      return image.getRaster().getSample(x, y, 0);
    }
    int rgb = image.getRGB(x, y);
    return (299 * (rgb >> 16 & 0xff) + 587 * (rgb >> 8 & 0xff) + 114 * (rgb & 0xff) + 500) / 1000;
  }

  private interface Use<T> {
    T of(ImageReader reader) throws IOException;
  }

  private static <T> T withReader(Path file, Use<T> use) {
    try (ImageInputStream in = ImageIO.createImageInputStream(file.toFile())) {
      Iterator<ImageReader> readers = in == null ? null : ImageIO.getImageReaders(in);
      if (readers == null || !readers.hasNext()) {
        throw new DatasetException("%s: offset 0: not an image".formatted(file));
      }
      ImageReader reader = readers.next();
      try {
        reader.setInput(in);
        return use.of(reader);
      } catch (IOException | RuntimeException e) {
        throw new DatasetException(
            "%s: offset %d: a damaged image: %s"
                .formatted(
                    file,
                    Math.min(in.getStreamPosition(), file.toFile().length()), // it may seek beyond
                    String.valueOf(e.getMessage()).lines().findFirst().orElse("")),
            e);
      } finally {
        reader.dispose();
      }
    } catch (IOException e) {
      throw new DatasetException("%s: cannot be read: %s".formatted(file, e.getMessage()), e);
    }
  }
}
