package io.lethe.artifact;

import java.net.URI;
import java.nio.file.Path;
import java.util.Optional;

/**
 * Content-addressed storage of model files. Thread-safe; several processes may share a store.
 *
 * <p>Puts are idempotent: a job that is run again lays the same content under the same URI.
 */
public interface ArtifactStore {
  /**
   * Stores a copy of {@code file}. When this returns, the artifact survives a crash of the machine.
   * The URI keeps the file name's extension, by which loaders tell formats apart.
   *
   * @throws ArtifactException if the file cannot be read or the store cannot be written
   */
  Artifact put(Path file);

  /**
   * Makes an artifact available as a local file whose content was read and found to have the given
   * digest. Callers do not change or delete the file: it may be the stored one itself.
   *
   * @param uri any URI of the store's scheme, also of a file that was not put here
   * @param sha256 the expected digest, lower-case hex
   * @throws ArtifactException if there is no such artifact, it cannot be read, or its digest is
   *     another
   */
  Path fetch(URI uri, String sha256);

  /**
   * Deletes an artifact of this store.
   *
   * @return whether it was there
   * @throws ArtifactException if the URI is not one of this store, or the file cannot be deleted
   */
  boolean delete(URI uri);

  /**
   * Keeps a copy of a file under a name of the caller's, whole or not at all: a step of long work,
   * for whoever takes the work up again.
   *
   * @param name of letters, digits, dots and hyphens
   */
  void keep(String name, Path file);

  /** The file that was kept under a name, on this machine; callers do not change it. */
  Optional<Path> kept(String name);

  /** Deletes what was kept under names that begin so, if anything was. */
  void discard(String prefix);
}
