package io.lethe.registry;

/** Whether and how schemas may be registered and deleted. */
enum Mode {
  READWRITE,
  READONLY,
  /** Global only: read-only whatever the subjects say. */
  READONLY_OVERRIDE,
  /** Registrations come with their ids, and earlier schemas do not hold them back. */
  IMPORT
}
