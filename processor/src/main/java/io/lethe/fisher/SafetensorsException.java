package io.lethe.fisher;

import java.io.IOException;
import java.nio.file.Path;

/** A safetensors file that breaks its format. One line that names the file, and what is wrong. */
public final class SafetensorsException extends IOException {
  private static final long serialVersionUID = 1L;

  SafetensorsException(Path file, String problem) {
    super(file + ": not a safetensors file: " + problem);
  }

  SafetensorsException(Path file, String problem, Throwable cause) {
    super(file + ": not a safetensors file: " + problem, cause);
  }
}
