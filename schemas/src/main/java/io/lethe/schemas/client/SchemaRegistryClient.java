package io.lethe.schemas.client;

import java.util.List;
import org.apache.avro.Schema;

/**
 * What serdes and tools ask of a Schema Registry. Thread-safe.
 *
 * <p>Every method throws {@link SchemaRegistryException} where the registry refuses, and {@link
 * SchemaRegistryUnavailableException} where it gives no usable answer.
 */
public interface SchemaRegistryClient extends AutoCloseable {

  /** Registers the schema under the subject, once, and returns its id. */
  int register(String subject, Schema schema);

  /** The id of a schema that the subject already has; never registers. */
  int idOf(String subject, Schema schema);

  Schema schemaById(int id);

  RegisteredSchema latest(String subject);

  RegisteredSchema version(String subject, int version);

  /** The subject's versions, ascending. */
  List<Integer> versions(String subject);

  List<String> subjects();

  /** Whether the subject's compatibility level admits the schema as its next version. */
  boolean isCompatible(String subject, Schema schema);

  /** The level that applies to the subject: its own, else the global one. */
  CompatibilityLevel compatibility(String subject);

  void setCompatibility(String subject, CompatibilityLevel level);

  @Override
  void close();
}
