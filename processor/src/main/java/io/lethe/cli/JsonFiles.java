package io.lethe.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import io.lethe.offline.Aside;
import java.io.IOException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Writes results as JSON. */
final class JsonFiles {
  private static final ObjectMapper MAPPER =
      new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);

  private JsonFiles() {}

  static void write(Path file, JsonNode json) throws IOException {
    Files.writeString(file, MAPPER.writeValueAsString(json) + System.lineSeparator());
  }

  /**
   * Writes a file that others may read: they see what was there or all of it. What cannot be
   * replaced, as a terminal, a pipe, or a file that is mounted by itself, is written to as it is.
   */
  static void publish(Path file, JsonNode json) throws IOException {
    if (Files.exists(file) && !isReplaceable(file)) {
      write(file, json);
      return;
    }
    Path target = Files.exists(file) ? file.toRealPath() : file.toAbsolutePath();
    try (Aside aside = Aside.in(target.getParent())) {
      String name = target.getFileName().toString();
      write(aside.file(name), json);
      try {
        aside.done(name);
      } catch (FileSystemException mounted) { // one cannot ask before
        write(target, json);
      }
    }
  }

  private static boolean isReplaceable(Path file) throws IOException {
    return Files.isRegularFile(file) && Files.isWritable(file.toRealPath().getParent());
  }

  /**
   * Says before the work begins that its result could not be written after.
   *
   * @param file may be null: nothing will be written
   */
  static void requireWritable(Path file) {
    if (file == null) {
      return;
    }
    Path folder = file.toAbsolutePath().getParent();
    if (Files.isDirectory(file)) {
      throw new UnusableException(file + ": is a folder, not a file to write");
    }
    if (Files.exists(file) && Files.isWritable(file)) {
      return;
    }
    if (!Files.isDirectory(folder) || !Files.isWritable(folder)) {
      throw new UnusableException(folder + ": no such folder, or not writable");
    }
  }
}
