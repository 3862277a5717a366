package io.lethe.schemas.client;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.avro.Schema;

/**
 * A registry in this JVM's memory, for topologies under test: {@code
 * schema.registry.url=mock://scope}. It gives ids and versions as a registry does, but enforces no
 * compatibility: every schema is compatible.
 */
final class InMemorySchemaRegistryClient implements SchemaRegistryClient {
  private final List<Schema> schemas = new ArrayList<>();
  private final Map<String, List<Integer>> subjects = new TreeMap<>();

  @Override
  public synchronized int register(String subject, Schema schema) {
    int index = schemas.indexOf(schema);
    if (index < 0) {
      index = schemas.size();
      schemas.add(schema);
    }
    List<Integer> ids = subjects.computeIfAbsent(subject, s -> new ArrayList<>());
    if (!ids.contains(index + 1)) {
      ids.add(index + 1);
    }
    return index + 1;
  }

  @Override
  public synchronized int idOf(String subject, Schema schema) {
    int id = schemas.indexOf(schema) + 1;
    if (!idsOf(subject).contains(id)) {
      throw missing(RegistryError.SCHEMA_NOT_FOUND);
    }
    return id;
  }

  @Override
  public synchronized Schema schemaById(int id) {
    if (id < 1 || id > schemas.size()) {
      throw missing(RegistryError.SCHEMA_NOT_FOUND);
    }
    return schemas.get(id - 1);
  }

  @Override
  public synchronized RegisteredSchema latest(String subject) {
    return version(subject, idsOf(subject).size());
  }

  @Override
  public synchronized RegisteredSchema version(String subject, int version) {
    List<Integer> ids = idsOf(subject);
    if (version < 1 || version > ids.size()) {
      throw missing(RegistryError.VERSION_NOT_FOUND);
    }
    int id = ids.get(version - 1);
    return new RegisteredSchema(subject, version, id, schemas.get(id - 1));
  }

  @Override
  public synchronized List<Integer> versions(String subject) {
    List<Integer> versions = new ArrayList<>();
    for (int version = 1; version <= idsOf(subject).size(); version++) {
      versions.add(version);
    }
    return versions;
  }

  @Override
  public synchronized List<String> subjects() {
    return List.copyOf(subjects.keySet());
  }

  @Override
  public boolean isCompatible(String subject, Schema schema) {
    return true;
  }

  @Override
  public CompatibilityLevel compatibility(String subject) {
    return CompatibilityLevel.NONE;
  }

  @Override
  public void setCompatibility(String subject, CompatibilityLevel level) {
    throw new UnsupportedOperationException("mock:// registries enforce no compatibility");
  }

  /** The scope lives on: the next client of the same URL finds the same ids. */
  @Override
  public void close() {}

  private List<Integer> idsOf(String subject) {
    List<Integer> ids = subjects.get(subject);
    if (ids == null) {
      throw missing(RegistryError.SUBJECT_NOT_FOUND);
    }
    return ids;
  }

  private static SchemaRegistryException missing(RegistryError error) {
    return new SchemaRegistryException(
        "Schema registry in memory: " + error.description(), 404, error.code(), null);
  }
}
