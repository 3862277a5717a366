package io.lethe.model;

import ai.djl.engine.Engine;
import ai.djl.util.Utils;
import java.io.BufferedInputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;
import java.util.Properties;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * PyTorch's own library, loaded once for the process: the one that ships with the program, or one
 * that {@code PYTORCH_LIBRARY_PATH} names (environment or system property).
 *
 * <p>One of another version loads without complaint and ends the JVM at the first operation, so its
 * version is looked at first.
 */
public final class NativeLibrary {
  private static final String LIBRARY_PATH = "PYTORCH_LIBRARY_PATH";
  private static final String VERSION = "PYTORCH_VERSION";
  private static final Pattern PYTHON_VERSION = Pattern.compile("__version__\\s*=\\s*'([^'+]+)");
  private static final int BUFFER = 1 << 20;

  private static volatile Engine engine;

  private NativeLibrary() {}

  /**
   * Loads it on the first call.
   *
   * @throws ModelException in one line, when it is of another version than the program needs
   */
  public static Engine load() {
    if (engine == null) {
      synchronized (NativeLibrary.class) {
        if (engine == null) {
          check(
              Optional.ofNullable(Utils.getEnvOrSystemProperty(LIBRARY_PATH)),
              Optional.ofNullable(Utils.getEnvOrSystemProperty(VERSION)),
              needed());
          engine = Engine.getInstance();
        }
      }
    }
    return engine;
  }

  /** Kind of build, such as {@code cpu} or {@code cu128}. */
  static String flavour() {
    String given = Utils.getEnvOrSystemProperty("PYTORCH_FLAVOR");
    return given == null ? "cpu" : given;
  }

  /** The version that DJL's binding was compiled for. */
  static String needed() {
    try (InputStream in = Engine.class.getResourceAsStream("/pytorch-engine.properties")) {
      Properties properties = new Properties();
      properties.load(in);
      return properties.getProperty("pytorch_version");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static void check(Optional<String> libraryPath, Optional<String> version, String needed) {
    if (version.isPresent() && !version.get().equals(needed)) {
      throw new ModelException(
          "%s is %s: PyTorch %s is needed".formatted(VERSION, version.get(), needed));
    }
    if (libraryPath.isEmpty()) {
      return;
    }
    Path library = find(libraryPath.get());
    try {
      Optional<String> said = saidVersion(library.getParent());
      boolean right =
          said.isPresent() ? said.get().equals(needed) : holds(library, '\0' + needed, "\0+");
      if (!right) {
        throw new ModelException(
            "%s: PyTorch %s, but %s is needed"
                .formatted(library, said.orElse("of another version"), needed));
      }
    } catch (IOException e) {
      throw new ModelException(library + ": cannot be read", e);
    }
  }

  private static Path find(String libraryPath) {
    String name = System.mapLibraryName("torch_cpu");
    return Arrays.stream(libraryPath.split(File.pathSeparator))
        .map(Path::of)
        .map(entry -> Files.isRegularFile(entry) ? entry.resolveSibling(name) : entry.resolve(name))
        .filter(Files::isRegularFile)
        .findFirst()
        .map(Path::toAbsolutePath)
        .orElseThrow(
            () -> new ModelException("%s: no %s in %s".formatted(LIBRARY_PATH, name, libraryPath)));
  }

  /** What stands beside a distribution: {@code build-version}, or Python's {@code version.py}. */
  private static Optional<String> saidVersion(Path folder) throws IOException {
    Path above = folder.resolve("..");
    if (Files.isReadable(above.resolve("build-version"))) {
      return Optional.of(Files.readString(above.resolve("build-version")).strip().split("\\+")[0]);
    }
    if (Files.isReadable(above.resolve("version.py"))) {
      Matcher matcher = PYTHON_VERSION.matcher(Files.readString(above.resolve("version.py")));
      return matcher.find() ? Optional.of(matcher.group(1)) : Optional.empty();
    }
    return Optional.empty();
  }

  /** Whether a file holds a text followed by one of the given characters. */
  private static boolean holds(Path file, String text, String ends) throws IOException {
    byte[] wanted = text.getBytes(StandardCharsets.US_ASCII);
    try (InputStream in = new BufferedInputStream(Files.newInputStream(file), BUFFER)) {
      int matched = 0;
      for (int next = in.read(); next >= 0; next = in.read()) {
        if (matched == wanted.length) {
          if (ends.indexOf(next) >= 0) {
            return true;
          }
          matched = 0;
        }
        if (next == wanted[matched]) {
          matched++;
        } else {
          matched = next == wanted[0] ? 1 : 0;
        }
      }
      return false;
    }
  }
}
