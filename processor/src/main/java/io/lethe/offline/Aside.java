package io.lethe.offline;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/**
 * A hidden folder beside the files that a command writes: they are written there and moved into
 * place when they are whole, so that nobody sees half of one. Whatever was not moved goes when the
 * folder is closed, or when the process is told to end.
 */
public final class Aside implements AutoCloseable {
  private final Path target;
  private final Path folder;
  private final Thread atExit = new Thread(this::delete, "lethe-aside");

  private Aside(Path target, Path folder) {
    this.target = target;
    this.folder = folder;
    Runtime.getRuntime().addShutdownHook(atExit);
  }

  /**
   * @param target folder that the files are for; made if it is new
   * @throws IllegalArgumentException in one line, when it cannot be written to
   */
  public static Aside in(Path target) {
    try {
      Files.createDirectories(target);
      return new Aside(target, Files.createTempDirectory(target, ".lethe-"));
    } catch (IOException e) {
      throw new IllegalArgumentException(target + ": cannot be made or written to", e);
    }
  }

  /**
   * Where to write one file.
   *
   * @throws IllegalArgumentException when its place is taken by a folder
   */
  public Path file(String name) {
    if (Files.isDirectory(target.resolve(name))) {
      throw new IllegalArgumentException(target.resolve(name) + ": is a folder, not a file");
    }
    return folder.resolve(name);
  }

  /** Moves a file that is whole to its place; one that was there is replaced. */
  public Path done(String name) throws IOException {
    return Files.move(
        folder.resolve(name),
        target.resolve(name),
        StandardCopyOption.REPLACE_EXISTING,
        StandardCopyOption.ATOMIC_MOVE);
  }

  @Override
  public void close() {
    delete();
    try {
      Runtime.getRuntime().removeShutdownHook(atExit);
    } catch (IllegalStateException e) {
      // The process ends already: the hook has run or runs now.
    }
  }

  private synchronized void delete() {
    if (!Files.exists(folder)) {
      return;
    }
    try {
      try (DirectoryStream<Path> files = Files.newDirectoryStream(folder)) {
        for (Path file : files) {
          Files.deleteIfExists(file);
        }
      }
      Files.deleteIfExists(folder);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot delete " + folder, e);
    }
  }
}
