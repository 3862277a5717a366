package io.lethe.artifact;

import static io.lethe.artifact.ArtifactException.Reason.CORRUPT;
import static io.lethe.artifact.ArtifactException.Reason.MISSING;
import static io.lethe.artifact.ArtifactException.Reason.STORAGE;
import static io.lethe.artifact.ArtifactException.Reason.UNUSABLE;
import static java.nio.file.StandardOpenOption.CREATE_NEW;
import static java.nio.file.StandardOpenOption.READ;
import static java.nio.file.StandardOpenOption.WRITE;

import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.Optional;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A store in a local or mounted directory: {@code <root>/sha256/ab/abcdef….params}.
 *
 * <p>A put writes beside the store under {@code tmp/}, forces the content to disk and then renames
 * it, so that a name under {@code sha256/} never stands for half a file. What a killed process left
 * under {@code tmp/} is dead weight, never read. Steps of long work lie under {@code kept/}.
 */
public final class FileArtifactStore implements ArtifactStore {
  private static final Pattern EXTENSION = Pattern.compile(".*(\\.[A-Za-z0-9]{1,16})");
  private static final Pattern KEPT = Pattern.compile("[A-Za-z0-9][A-Za-z0-9.-]{0,127}");
  private static final int BUFFER_BYTES = 1 << 16;

  private final Path root;

  /**
   * @param root the store's directory; made when it is not there
   * @throws ArtifactException if it is not a directory, or cannot be made
   */
  public FileArtifactStore(Path root) {
    this.root = root.toAbsolutePath().normalize();
    try {
      Files.createDirectories(this.root.resolve("sha256"));
      Files.createDirectories(this.root.resolve("tmp"));
    } catch (IOException e) {
      throw new ArtifactException("artifact store " + this.root + " cannot be made", e);
    }
  }

  @Override
  public Artifact put(Path file) {
    Path temporary = root.resolve("tmp").resolve(UUID.randomUUID().toString());
    try {
      try {
        Copied copied = copy(file, temporary);
        Path target = path(copied.sha256(), extension(file));
        // The content of an artifact that is there already is not trusted: a put repairs it.
        if (!Files.exists(target) || !Sha256.of(target).equals(copied.sha256())) {
          publish(temporary, target);
        }
        return new Artifact(target.toUri(), copied.sha256(), copied.bytes());
      } finally {
        Files.deleteIfExists(temporary);
      }
    } catch (IOException e) {
      throw new ArtifactException("cannot store " + file + " in artifact store " + root, e);
    }
  }

  @Override
  public Path fetch(URI uri, String sha256) {
    return checked(uri, sha256);
  }

  /** The file that a URI names, once its content was read and has the digest. */
  static Path checked(URI uri, String sha256) {
    if (!Sha256.isDigest(sha256)) {
      throw new ArtifactException(
          UNUSABLE, "artifact " + uri + ": '" + sha256 + "' is not a SHA-256 in lower-case hex");
    }
    Path file = path(uri);
    if (Files.isDirectory(file)) {
      throw new ArtifactException(UNUSABLE, "artifact " + uri + " is a directory, not a file");
    }
    String actual;
    try {
      actual = Sha256.of(file);
    } catch (NoSuchFileException e) {
      throw new ArtifactException(
          MISSING, "artifact " + uri + " is missing; expected sha256 " + sha256);
    } catch (AccessDeniedException e) {
      throw new ArtifactException(
          STORAGE, "artifact " + uri + " may not be read: permission denied");
    } catch (IOException e) {
      throw new ArtifactException("artifact " + uri + " cannot be read", e);
    }
    if (!actual.equals(sha256)) {
      throw new ArtifactException(
          CORRUPT,
          "artifact " + uri + " is corrupt: expected sha256 " + sha256 + ", found " + actual);
    }
    return file;
  }

  @Override
  public boolean delete(URI uri) {
    Path file = path(uri);
    if (!file.startsWith(root.resolve("sha256")) || Files.isDirectory(file)) {
      throw new ArtifactException(UNUSABLE, "artifact " + uri + " is not one of the store " + root);
    }
    try {
      boolean was = Files.deleteIfExists(file);
      if (was) {
        force(file.getParent());
      }
      return was;
    } catch (IOException e) {
      throw new ArtifactException("artifact " + uri + " cannot be deleted", e);
    }
  }

  @Override
  public void keep(String name, Path file) {
    Path temporary = root.resolve("tmp").resolve(UUID.randomUUID().toString());
    try {
      try {
        copy(file, temporary);
        publish(temporary, keptAt(name));
      } finally {
        Files.deleteIfExists(temporary);
      }
    } catch (IOException e) {
      throw new ArtifactException("cannot keep " + name + " in artifact store " + root, e);
    }
  }

  @Override
  public Optional<Path> kept(String name) {
    return Optional.of(keptAt(name)).filter(Files::isReadable);
  }

  @Override
  public void discard(String prefix) {
    Path directory = keptAt(prefix).getParent();
    if (!Files.isDirectory(directory)) {
      return;
    }
    try (DirectoryStream<Path> kept =
        Files.newDirectoryStream(
            directory, file -> file.getFileName().toString().startsWith(prefix))) {
      for (Path file : kept) {
        Files.deleteIfExists(file);
      }
    } catch (DirectoryIteratorException e) {
      throw new ArtifactException(
          "cannot delete " + prefix + " in artifact store " + root, e.getCause());
    } catch (IOException e) {
      throw new ArtifactException("cannot delete " + prefix + " in artifact store " + root, e);
    }
  }

  private Path keptAt(String name) {
    if (!KEPT.matcher(name).matches()) {
      throw new ArtifactException(UNUSABLE, "'" + name + "' is no name for a kept file");
    }
    return root.resolve("kept").resolve(name);
  }

  /**
   * The path that a {@code file:} URI names; a relative one is taken from the working directory.
   *
   * @throws ArtifactException if it is not a {@code file:} URI of this machine
   */
  static Path path(URI uri) {
    if (!"file".equalsIgnoreCase(uri.getScheme())) {
      throw new ArtifactException(
          UNUSABLE,
          "artifact " + uri + ": scheme '" + uri.getScheme() + "' is not known to a file store");
    }
    if (uri.isOpaque() && uri.getFragment() == null) {
      return Path.of(uri.getSchemeSpecificPart()).toAbsolutePath().normalize();
    }
    try {
      return Path.of(uri).normalize();
    } catch (IllegalArgumentException e) {
      throw new ArtifactException(
          UNUSABLE, "artifact " + uri + " names no local file: " + e.getMessage());
    }
  }

  private Path path(String sha256, String extension) {
    return root.resolve("sha256").resolve(sha256.substring(0, 2)).resolve(sha256 + extension);
  }

  private static String extension(Path file) {
    Matcher matcher = EXTENSION.matcher(String.valueOf(file.getFileName()));
    return matcher.matches() ? matcher.group(1) : "";
  }

  private record Copied(String sha256, long bytes) {}

  /** Copies and digests in one pass: what is stored is what was digested. */
  private static Copied copy(Path from, Path to) throws IOException {
    MessageDigest digest = Sha256.digest();
    long bytes = 0;
    byte[] buffer = new byte[BUFFER_BYTES];
    try (InputStream in = Files.newInputStream(from);
        FileChannel out = FileChannel.open(to, CREATE_NEW, WRITE)) {
      for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
        digest.update(buffer, 0, n);
        for (ByteBuffer left = ByteBuffer.wrap(buffer, 0, n); left.hasRemaining(); ) {
          out.write(left);
        }
        bytes += n;
      }
      out.force(true);
    }
    return new Copied(HexFormat.of().formatHex(digest.digest()), bytes);
  }

  private static void publish(Path temporary, Path target) throws IOException {
    Path directory = target.getParent();
    Files.createDirectories(directory);
    Files.move(
        temporary, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    force(directory);
    force(directory.getParent());
  }

  /** Makes a directory's entries durable; Windows cannot open a directory, and needs not. */
  private static void force(Path directory) throws IOException {
    if (!System.getProperty("os.name", "").startsWith("Windows")) {
      try (FileChannel channel = FileChannel.open(directory, READ)) {
        channel.force(true);
      }
    }
  }
}
