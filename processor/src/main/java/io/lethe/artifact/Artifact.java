package io.lethe.artifact;

import java.net.URI;

/**
 * A stored artifact.
 *
 * @param uri where it lies; the same content has the same URI
 * @param sha256 SHA-256 of its content, lower-case hex
 * @param bytes its size
 */
public record Artifact(URI uri, String sha256, long bytes) {}
