package io.lethe.artifact;

import static io.lethe.artifact.ArtifactException.Reason.UNUSABLE;

import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.regex.Pattern;

/** Opens artifact stores, and reads the locations that people write. */
public final class ArtifactStores {
  private static final Pattern SCHEME = Pattern.compile("[A-Za-z][A-Za-z0-9+.-]+:.*");

  private ArtifactStores() {}

  /**
   * Opens the store at {@code root}.
   *
   * @param root e.g. {@code file:///var/lib/lethe/artifacts}; made when it is not there
   * @throws ArtifactException if no store knows the scheme, or the root cannot be used
   */
  public static ArtifactStore open(URI root) {
    if (!isFile(root)) {
      throw new ArtifactException(
          UNUSABLE,
          "artifact store " + root + ": unknown scheme '" + root.getScheme() + "', known is file:");
    }
    return new FileArtifactStore(FileArtifactStore.path(root));
  }

  /**
   * Reads an artifact, of whatever store, and compares its digest; opens and makes no store.
   *
   * @throws ArtifactException if it cannot be read, or its digest is another
   */
  public static void check(URI uri, String sha256) {
    if (!isFile(uri)) {
      throw new ArtifactException(
          UNUSABLE,
          "artifact " + uri + ": unknown scheme '" + uri.getScheme() + "', known is file:");
    }
    FileArtifactStore.checked(uri, sha256);
  }

  /**
   * A location as written by a person: a URI, or a path relative to the working directory.
   *
   * @throws ArtifactException if it is neither
   */
  public static URI location(String text) {
    try {
      return SCHEME.matcher(text).matches()
          ? new URI(text)
          : Path.of(text).toAbsolutePath().normalize().toUri();
    } catch (URISyntaxException | IllegalArgumentException e) {
      throw new ArtifactException(UNUSABLE, "'" + text + "' is neither a URI nor a path");
    }
  }

  private static boolean isFile(URI uri) {
    return "file".equalsIgnoreCase(uri.getScheme());
  }
}
