package io.lethe.registry;

/**
 * That a schema uses a type which a version of another subject defines.
 *
 * @param name the type's name in the schema
 */
record Reference(String name, String subject, int version) {}
