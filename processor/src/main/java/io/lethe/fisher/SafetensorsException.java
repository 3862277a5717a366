package io.lethe.fisher;

import java.io.IOException;
import java.nio.file.Path;

/** A safetensors file that breaks its format. One line that names the file, and what is wrong. */
public final class SafetensorsException extends IOException {
  private static final long serialVersionUID = 1L;

  SafetensorsException(Path file, String problem) {
    super(message(file, problem));
  }

  SafetensorsException(Path file, String problem, Throwable cause) {
    super(message(file, problem), cause);
  }

  /** One line, whatever the file calls its tensors. */
  private static String message(Path file, String problem) {
    return file + ": not a safetensors file: " + problem.replaceAll("\\p{Cntrl}", "?");
  }
}
