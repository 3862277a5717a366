package io.lethe.schemas.client;

import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.avro.Schema;

/**
 * Remembers what a registry never takes back: the schema of an id, and the id of a schema in a
 * subject. An unknown id is remembered for a short time only, so that garbage on a topic does not
 * become a flood of requests, and an id that appears a moment later is still found.
 */
final class CachingSchemaRegistryClient extends DelegatingSchemaRegistryClient {
  private static final int MOST_MISSING_IDS = 10_000;

  private final Duration missingIdTtl;
  private final Clock clock;
  private final Map<Integer, Schema> schemas = new ConcurrentHashMap<>();
  private final Map<SubjectSchema, Integer> registered = new ConcurrentHashMap<>();
  private final Map<SubjectSchema, Integer> found = new ConcurrentHashMap<>();

  /** Guarded by itself; oldest first. */
  private final Map<Integer, MissingId> missing = new LinkedHashMap<>();

  private record SubjectSchema(String subject, Schema schema) {}

  private record MissingId(Instant until, SchemaRegistryException reason) {}

  CachingSchemaRegistryClient(SchemaRegistryClient delegate, Duration missingIdTtl, Clock clock) {
    super(delegate);
    this.missingIdTtl = missingIdTtl;
    this.clock = clock;
  }

  @Override
  public int register(String subject, Schema schema) {
    SubjectSchema key = new SubjectSchema(subject, schema);
    Integer id = registered.get(key);
    if (id == null) {
      id = super.register(subject, schema);
      registered.put(key, id);
    }
    return id;
  }

  @Override
  public int idOf(String subject, Schema schema) {
    SubjectSchema key = new SubjectSchema(subject, schema);
    Integer id = found.get(key);
    if (id == null) {
      id = super.idOf(subject, schema);
      found.put(key, id);
    }
    return id;
  }

  @Override
  public Schema schemaById(int id) {
    Schema schema = schemas.get(id);
    if (schema == null) {
      refuseKnownMissing(id);
      schema = fetch(id);
      schemas.put(id, schema);
    }
    return schema;
  }

  private Schema fetch(int id) {
    try {
      return super.schemaById(id);
    } catch (SchemaRegistryException e) {
      if (e.error() == RegistryError.SCHEMA_NOT_FOUND && !missingIdTtl.isZero()) {
        synchronized (missing) {
          if (missing.size() >= MOST_MISSING_IDS) {
            missing.remove(missing.keySet().iterator().next());
          }
          missing.put(id, new MissingId(clock.instant().plus(missingIdTtl), e));
        }
      }
      throw e;
    }
  }

  private void refuseKnownMissing(int id) {
    synchronized (missing) {
      MissingId known = missing.get(id);
      if (known == null) {
        return;
      }
      if (clock.instant().isBefore(known.until())) {
        SchemaRegistryException reason = known.reason();
        throw new SchemaRegistryException(
            reason.getMessage(), reason.status(), reason.errorCode(), reason);
      }
      missing.remove(id);
    }
  }
}
