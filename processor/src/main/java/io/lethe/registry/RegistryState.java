package io.lethe.registry;

import io.lethe.schemas.client.CompatibilityLevel;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.apache.avro.Schema;

/** What the log's records add up to. Thread-safe. */
final class RegistryState {
  private final Map<String, TreeMap<Integer, LogRecord.Version>> subjects = new TreeMap<>();
  private final Map<Integer, LogRecord.Version> schemas = new TreeMap<>();
  private final Map<Definition, Integer> ids = new HashMap<>();
  private final Map<Integer, Schema> parsed = new HashMap<>();
  private final Map<String, CompatibilityLevel> levels = new HashMap<>();
  private final Map<String, Mode> modes = new HashMap<>();
  private int highestId;

  synchronized void apply(LogRecord record) {
    if (record instanceof LogRecord.Version r) {
      subjects.computeIfAbsent(r.subject(), s -> new TreeMap<>()).put(r.version(), r);
      schemas.put(r.id(), r);
      ids.putIfAbsent(r.definition(), r.id());
      highestId = Math.max(highestId, r.id());
    } else if (record instanceof LogRecord.VersionRemoved r) {
      remove(r.subject(), r.version());
    } else if (record instanceof LogRecord.SubjectDeleted r) {
      deleteUpTo(r.subject(), r.upToVersion());
    } else if (record instanceof LogRecord.Compatibility r) {
      set(levels, r.subject(), r.level());
    } else if (record instanceof LogRecord.ModeChanged r) {
      set(modes, r.subject(), r.mode());
    }
  }

  private static <V> void set(Map<String, V> map, String subject, V value) {
    if (value == null) {
      map.remove(subject);
    } else {
      map.put(subject, value);
    }
  }

  private void remove(String subject, int version) {
    TreeMap<Integer, LogRecord.Version> versions = subjects.get(subject);
    if (versions == null || versions.remove(version) == null) {
      return;
    }
    if (versions.isEmpty()) {
      subjects.remove(subject);
    }
  }

  private void deleteUpTo(String subject, int last) {
    TreeMap<Integer, LogRecord.Version> versions = subjects.get(subject);
    if (versions != null) {
      versions.headMap(last, true).replaceAll((v, r) -> r.softlyDeleted());
    }
    levels.remove(subject);
    modes.remove(subject);
  }

  synchronized List<String> subjects(boolean withDeleted) {
    return subjects.entrySet().stream()
        .filter(e -> withDeleted || e.getValue().values().stream().anyMatch(v -> !v.deleted()))
        .map(Map.Entry::getKey)
        .toList();
  }

  /** Ascending; empty where the subject has none. */
  synchronized List<LogRecord.Version> versions(String subject, boolean withDeleted) {
    Collection<LogRecord.Version> versions =
        subjects.getOrDefault(subject, new TreeMap<>()).values();
    return versions.stream().filter(v -> withDeleted || !v.deleted()).toList();
  }

  /** All versions of all subjects that have the schema. */
  synchronized List<LogRecord.Version> uses(int id, boolean withDeleted) {
    List<LogRecord.Version> uses = new ArrayList<>();
    subjects.keySet().forEach(s -> uses.addAll(versions(s, withDeleted)));
    uses.removeIf(use -> use.id() != id);
    return uses;
  }

  /** Versions that refer to one, of whatever subject. */
  synchronized List<LogRecord.Version> users(String subject, int version, boolean withDeleted) {
    List<LogRecord.Version> users = new ArrayList<>();
    subjects.keySet().forEach(s -> users.addAll(versions(s, withDeleted)));
    users.removeIf(user -> !user.refersTo(subject, version));
    return users;
  }

  /** A version with the schema, as long as there is one, softly deleted or not. */
  synchronized Optional<LogRecord.Version> schema(int id) {
    return uses(id, true).isEmpty() ? Optional.empty() : Optional.of(schemas.get(id));
  }

  /** The schema of a version, parsed once. */
  synchronized Schema parsed(LogRecord.Version version) {
    return parsed.computeIfAbsent(version.id(), id -> new References(this).schema(version));
  }

  /** The id that the schema has or had: ids are never given to another one. */
  synchronized Optional<Integer> id(Definition schema) {
    return Optional.ofNullable(ids.get(schema));
  }

  synchronized int nextId() {
    return highestId + 1;
  }

  synchronized Optional<CompatibilityLevel> level(String subject) {
    return Optional.ofNullable(levels.get(subject));
  }

  synchronized Optional<Mode> mode(String subject) {
    return Optional.ofNullable(modes.get(subject));
  }
}
