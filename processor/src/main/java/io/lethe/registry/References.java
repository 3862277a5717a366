package io.lethe.registry;

import io.lethe.schemas.client.RegistryError;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.avro.Schema;

/** Reads schemas together with what they refer to. */
final class References {
  private final RegistryState state;

  References(RegistryState state) {
    this.state = state;
  }

  /** A schema that was read, and what it is told apart by. */
  record Read(Schema schema, Definition definition) {}

  /**
   * Reads a schema that a client sent.
   *
   * @throws RegistryRefusal INVALID_SCHEMA, also when a reference leads nowhere
   */
  Read read(SentSchema sent) {
    Map<String, String> referenced = new LinkedHashMap<>();
    sent.references().forEach(reference -> collect(reference, referenced));
    List<Schema> used = new ArrayList<>();
    Schema schema = SchemaText.parse(sent.text(), sent.normalize(), referenced.values(), used);
    List<Reference> references = new ArrayList<>(sent.references());
    if (sent.normalize()) {
      references.sort(Comparator.comparing(Reference::name));
    }
    String text = SchemaText.text(schema, used);
    return new Read(schema, new Definition(text, List.copyOf(references)));
  }

  /** The whole schema of a version. */
  Schema schema(LogRecord.Version version) {
    return read(new SentSchema(version.schema(), version.references(), false, 0, 0)).schema();
  }

  /** Adds the texts of what a reference names, what they refer to first. */
  private void collect(Reference reference, Map<String, String> texts) {
    if (texts.containsKey(reference.name())) {
      return;
    }
    LogRecord.Version version =
        version(reference)
            .orElseThrow(
                () ->
                    new RegistryRefusal(
                        RegistryError.INVALID_SCHEMA,
                        "No schema reference found for subject \""
                            + reference.subject()
                            + "\" and version "
                            + reference.version()));
    version.references().forEach(inner -> collect(inner, texts));
    texts.put(reference.name(), version.schema());
  }

  private Optional<LogRecord.Version> version(Reference reference) {
    return state.versions(reference.subject(), true).stream()
        .filter(version -> version.version() == reference.version())
        .findFirst();
  }
}
