package io.lethe.registry;

import io.lethe.schemas.client.CompatibilityLevel;
import io.lethe.schemas.client.RegistryError;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.apache.avro.Schema;

/**
 * The registry's rules. A change is decided, appended to the log and applied under one lock, so
 * concurrent registrations of one schema get one id; reads do not wait for it. There is one writer
 * to a log.
 */
final class SubjectService {
  private static final CompatibilityLevel DEFAULT_LEVEL = CompatibilityLevel.BACKWARD;
  private static final int LONGEST_SUBJECT = 249 + 255;

  private final SchemaLog log;
  private final Object writing = new Object();
  private volatile RegistryState state;

  /** Guarded by {@code writing}: an append failed, so that only the log knows what was written. */
  private boolean stale;

  SubjectService(SchemaLog log) {
    this.log = log;
    this.state = load();
  }

  private RegistryState load() {
    RegistryState loaded = new RegistryState();
    log.replay(loaded::apply);
    return loaded;
  }

  // Subjects and versions

  int register(String subject, SentSchema sent) {
    checkName(subject);
    synchronized (writing) {
      catchUp();
      checkMayRegister(subject, sent);
      References.Read read = new References(state).read(sent);
      return sent.id() > 0 ? imported(subject, sent, read) : registered(subject, read);
    }
  }

  /** Takes a schema under the id, and the version, that another registry gave it. */
  private int imported(String subject, SentSchema sent, References.Read read) {
    boolean taken =
        state.schema(sent.id()).filter(v -> !v.definition().equals(read.definition())).isPresent();
    if (taken) {
      throw new RegistryRefusal(
          RegistryError.OPERATION_NOT_PERMITTED,
          "Overwrite new schema with id " + sent.id() + " is not permitted.");
    }
    int version = sent.version() > 0 ? sent.version() : nextVersion(subject);
    Optional<LogRecord.Version> there =
        state.versions(subject, true).stream().filter(v -> v.version() == version).findFirst();
    boolean other =
        there
            .filter(v -> v.id() != sent.id() || !v.definition().equals(read.definition()))
            .isPresent();
    if (other) {
      throw new RegistryRefusal(
          RegistryError.OPERATION_NOT_PERMITTED,
          "Subject " + subject + " has another schema as version " + version);
    }
    append(version(subject, version, sent.id(), read.definition()));
    return sent.id();
  }

  private static LogRecord.Version version(
      String subject, int version, int id, Definition definition) {
    return new LogRecord.Version(
        subject, version, id, definition.text(), definition.references(), false);
  }

  private int registered(String subject, References.Read read) {
    Optional<LogRecord.Version> same = find(subject, read.definition(), false);
    if (same.isPresent()) {
      return same.get().id();
    }
    List<String> problems =
        problems(read.schema(), state.versions(subject, false), levelOf(subject));
    if (!problems.isEmpty()) {
      throw new RegistryRefusal(
          RegistryError.INCOMPATIBLE_SCHEMA,
          "Schema being registered is incompatible with an earlier schema for subject \""
              + subject
              + "\", details: "
              + problems);
    }
    int id = state.id(read.definition()).orElseGet(() -> state.nextId());
    append(version(subject, nextVersion(subject), id, read.definition()));
    return id;
  }

  private int nextVersion(String subject) {
    List<LogRecord.Version> all = state.versions(subject, true);
    return all.isEmpty() ? 1 : all.get(all.size() - 1).version() + 1;
  }

  LogRecord.Version lookUp(String subject, SentSchema sent, boolean withDeleted) {
    existing(subject, withDeleted);
    return find(subject, new References(state).read(sent).definition(), withDeleted)
        .orElseThrow(() -> new RegistryRefusal(RegistryError.SCHEMA_NOT_FOUND, "Schema not found"));
  }

  List<String> subjects(boolean withDeleted) {
    return state.subjects(withDeleted);
  }

  /** The subject's versions, at least one. */
  List<LogRecord.Version> existing(String subject, boolean withDeleted) {
    List<LogRecord.Version> versions = state.versions(subject, withDeleted);
    if (versions.isEmpty()) {
      throw new RegistryRefusal(
          RegistryError.SUBJECT_NOT_FOUND, "Subject '" + subject + "' not found.");
    }
    return versions;
  }

  /**
   * @param version a number, "latest" or "-1"
   */
  LogRecord.Version version(String subject, String version, boolean withDeleted) {
    int number = versionNumber(version);
    List<LogRecord.Version> versions = existing(subject, withDeleted);
    if (number < 0) {
      return versions.get(versions.size() - 1);
    }
    return versions.stream()
        .filter(v -> v.version() == number)
        .findFirst()
        .orElseThrow(
            () ->
                new RegistryRefusal(
                    RegistryError.VERSION_NOT_FOUND, "Version " + number + " not found."));
  }

  List<Integer> deleteSubject(String subject, boolean permanently) {
    synchronized (writing) {
      catchUp();
      checkWritable(subject);
      List<LogRecord.Version> all = existing(subject, true);
      List<LogRecord.Version> live = state.versions(subject, false);
      if (permanently) {
        if (!live.isEmpty()) {
          throw new RegistryRefusal(
              RegistryError.SUBJECT_NOT_SOFT_DELETED,
              "Subject '" + subject + "' was not deleted first before being permanently deleted");
        }
        all.forEach(v -> checkUnreferenced(v, true));
        all.forEach(v -> append(new LogRecord.VersionRemoved(subject, v.version())));
        return numbers(all);
      }
      if (live.isEmpty()) {
        throw new RegistryRefusal(
            RegistryError.SUBJECT_SOFT_DELETED,
            "Subject '" + subject + "' was soft deleted. Set permanent=true to delete permanently");
      }
      live.forEach(v -> checkUnreferenced(v, false));
      append(new LogRecord.SubjectDeleted(subject, live.get(live.size() - 1).version()));
      return numbers(live);
    }
  }

  int deleteVersion(String subject, String version, boolean permanently) {
    synchronized (writing) {
      catchUp();
      checkWritable(subject);
      LogRecord.Version found = version(subject, version, versionNumber(version) > 0);
      String name = "Subject '" + subject + "' Version " + found.version();
      if (permanently && !found.deleted()) {
        throw new RegistryRefusal(
            RegistryError.VERSION_NOT_SOFT_DELETED,
            name + " was not deleted first before being permanently deleted");
      }
      if (!permanently && found.deleted()) {
        throw new RegistryRefusal(
            RegistryError.VERSION_SOFT_DELETED,
            name + " was soft deleted. Set permanent=true to delete permanently");
      }
      checkUnreferenced(found, permanently);
      append(
          permanently
              ? new LogRecord.VersionRemoved(subject, found.version())
              : found.softlyDeleted());
      return found.version();
    }
  }

  // Schemas by id

  LogRecord.Version schema(int id) {
    return state
        .schema(id)
        .orElseThrow(
            () ->
                new RegistryRefusal(RegistryError.SCHEMA_NOT_FOUND, "Schema " + id + " not found"));
  }

  List<LogRecord.Version> uses(int id, boolean withDeleted) {
    schema(id);
    return state.uses(id, withDeleted);
  }

  /** Ids of the schemas that refer to a version. */
  List<Integer> referencedBy(LogRecord.Version version, boolean withDeleted) {
    return state.users(version.subject(), version.version(), withDeleted).stream()
        .map(LogRecord.Version::id)
        .distinct()
        .sorted()
        .toList();
  }

  /**
   * What is deleted softly must not be used by what is not; what is deleted for good by nothing, as
   * schemas are read by their ids even when they are softly deleted.
   */
  private void checkUnreferenced(LogRecord.Version version, boolean withDeleted) {
    boolean used =
        state.users(version.subject(), version.version(), withDeleted).stream()
            .anyMatch(user -> !user.subject().equals(version.subject()));
    if (used) {
      throw new RegistryRefusal(
          RegistryError.REFERENCE_EXISTS,
          "One or more references exist to the schema {subject="
              + version.subject()
              + ", version="
              + version.version()
              + "}");
    }
  }

  // Compatibility and mode

  /**
   * What speaks against the schema as the subject's next version.
   *
   * @param version the one to compare with; null: all that the subject's level names
   */
  List<String> problems(String subject, String version, SentSchema sent) {
    Schema schema = new References(state).read(sent).schema();
    if (version == null) {
      return problems(schema, state.versions(subject, false), levelOf(subject));
    }
    List<LogRecord.Version> one = List.of(version(subject, version, false));
    return problems(schema, one, levelOf(subject));
  }

  CompatibilityLevel levelOf(String subject) {
    return state.level(subject).or(() -> state.level(null)).orElse(DEFAULT_LEVEL);
  }

  CompatibilityLevel ownLevel(String subject) {
    return state
        .level(subject)
        .orElseThrow(
            () ->
                new RegistryRefusal(
                    RegistryError.COMPATIBILITY_NOT_CONFIGURED,
                    "Subject '"
                        + subject
                        + "' does not have subject-level compatibility configured"));
  }

  void setLevel(String subject, String name) {
    CompatibilityLevel level;
    try {
      level = CompatibilityLevel.valueOf(name == null ? "" : name.toUpperCase(Locale.ROOT));
    } catch (IllegalArgumentException e) {
      throw new RegistryRefusal(
          RegistryError.INVALID_COMPATIBILITY_LEVEL,
          "Invalid compatibility level. Valid values are none, backward, forward, full,"
              + " backward_transitive, forward_transitive, and full_transitive");
    }
    synchronized (writing) {
      catchUp();
      append(new LogRecord.Compatibility(subject, level));
    }
  }

  /** Back to what holds for all subjects; for them, back to the default. Returns what held. */
  CompatibilityLevel removeLevel(String subject) {
    synchronized (writing) {
      catchUp();
      CompatibilityLevel old = subject == null ? levelOf(null) : ownLevel(subject);
      append(new LogRecord.Compatibility(subject, null));
      return old;
    }
  }

  Mode modeOf(String subject) {
    Mode global = state.mode(null).orElse(Mode.READWRITE);
    return global == Mode.READONLY_OVERRIDE ? global : state.mode(subject).orElse(global);
  }

  Mode ownMode(String subject) {
    return state
        .mode(subject)
        .orElseThrow(
            () ->
                new RegistryRefusal(
                    RegistryError.MODE_NOT_CONFIGURED,
                    "Subject '" + subject + "' does not have subject-level mode configured"));
  }

  /**
   * @param force whether IMPORT may begin although there are schemas
   */
  void setMode(String subject, String name, boolean force) {
    Mode mode;
    try {
      mode = Mode.valueOf(name == null ? "" : name.toUpperCase(Locale.ROOT));
    } catch (IllegalArgumentException e) {
      throw new RegistryRefusal(
          RegistryError.INVALID_MODE,
          "Invalid mode. Valid values are READWRITE, READONLY, READONLY_OVERRIDE and IMPORT");
    }
    synchronized (writing) {
      catchUp();
      boolean there =
          subject == null
              ? !state.subjects(false).isEmpty()
              : !state.versions(subject, false).isEmpty();
      if (mode == Mode.IMPORT && there && !force) {
        throw new RegistryRefusal(
            RegistryError.OPERATION_NOT_PERMITTED,
            "Cannot import since found existing subjects; force=true imports all the same");
      }
      append(new LogRecord.ModeChanged(subject, mode));
    }
  }

  Mode removeMode(String subject) {
    synchronized (writing) {
      catchUp();
      Mode old = subject == null ? modeOf(null) : ownMode(subject);
      append(new LogRecord.ModeChanged(subject, null));
      return old;
    }
  }

  private List<String> problems(
      Schema schema, List<LogRecord.Version> earlier, CompatibilityLevel level) {
    return Compatibility.problems(schema, earlier.stream().map(state::parsed).toList(), level);
  }

  private Optional<LogRecord.Version> find(
      String subject, Definition definition, boolean withDeleted) {
    return state.versions(subject, withDeleted).stream()
        .filter(version -> version.definition().equals(definition))
        .reduce((first, last) -> last);
  }

  /** Call first under {@code writing}. */
  private void catchUp() {
    if (stale) {
      state = load();
      stale = false;
    }
  }

  private void append(LogRecord record) {
    stale = true;
    log.append(record);
    state.apply(record);
    stale = false;
  }

  private void checkWritable(String subject) {
    Mode mode = modeOf(subject);
    if (mode == Mode.READONLY || mode == Mode.READONLY_OVERRIDE) {
      throw notPermitted(subject, mode);
    }
  }

  /** Ids come with an import, and only with it. */
  private void checkMayRegister(String subject, SentSchema sent) {
    Mode needed = sent.id() > 0 ? Mode.IMPORT : Mode.READWRITE;
    if (modeOf(subject) != needed) {
      throw notPermitted(subject, modeOf(subject));
    }
  }

  private static RegistryRefusal notPermitted(String subject, Mode mode) {
    return new RegistryRefusal(
        RegistryError.OPERATION_NOT_PERMITTED, "Subject " + subject + " is in mode " + mode);
  }

  private static void checkName(String subject) {
    if (subject.isBlank()
        || subject.length() > LONGEST_SUBJECT
        || subject.chars().anyMatch(Character::isISOControl)
        || subject.equals("__GLOBAL")
        || subject.equals("__EMPTY")) {
      throw new RegistryRefusal(
          RegistryError.INVALID_SUBJECT, "The specified subject is not valid");
    }
  }

  private static int versionNumber(String version) {
    if (version.equals("latest") || version.equals("-1")) {
      return -1;
    }
    try {
      int number = Integer.parseInt(version);
      if (number > 0) {
        return number;
      }
    } catch (NumberFormatException e) {
      // Refused below, like a number that is not positive.
    }
    throw new RegistryRefusal(
        RegistryError.INVALID_VERSION,
        "The specified version '"
            + version
            + "' is not a valid version id. Allowed values are between [1, 2^31-1] and the string"
            + " \"latest\"");
  }

  private static List<Integer> numbers(List<LogRecord.Version> versions) {
    return versions.stream().map(LogRecord.Version::version).toList();
  }
}
