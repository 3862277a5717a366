package io.lethe.registry;

/** Whether schemas may be registered and deleted. Confluent's IMPORT is not offered. */
enum Mode {
  READWRITE,
  READONLY,
  /** Global only: read-only whatever the subjects say. */
  READONLY_OVERRIDE
}
