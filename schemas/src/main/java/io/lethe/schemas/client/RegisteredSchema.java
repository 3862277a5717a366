package io.lethe.schemas.client;

import org.apache.avro.Schema;

/**
 * One version of a subject.
 *
 * @param id the schema's id, unique in the registry and shared by subjects that register the same
 *     schema
 */
public record RegisteredSchema(String subject, int version, int id, Schema schema) {}
