package io.lethe.schemas.client;

/**
 * Which earlier versions a new one must be compatible with, and in which direction. BACKWARD: the
 * new schema reads old data. FORWARD: old schemas read new data. The transitive levels look at all
 * versions, the others at the latest only.
 */
public enum CompatibilityLevel {
  NONE,
  BACKWARD,
  BACKWARD_TRANSITIVE,
  FORWARD,
  FORWARD_TRANSITIVE,
  FULL,
  FULL_TRANSITIVE;

  public boolean backward() {
    return this == BACKWARD || this == BACKWARD_TRANSITIVE || full();
  }

  public boolean forward() {
    return this == FORWARD || this == FORWARD_TRANSITIVE || full();
  }

  public boolean transitive() {
    return name().endsWith("_TRANSITIVE");
  }

  private boolean full() {
    return this == FULL || this == FULL_TRANSITIVE;
  }
}
