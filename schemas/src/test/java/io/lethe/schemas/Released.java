package io.lethe.schemas;

import io.lethe.schemas.client.CompatibilityLevel;
import io.lethe.schemas.serde.ReleasedSchemas;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.apache.avro.Schema;
import org.apache.avro.SchemaNormalization;
import org.apache.avro.specific.SpecificData;

/** The schemas of this build, the frozen ones, and the list of the frozen ones' fingerprints. */
final class Released {
  private static final Path SOURCES = Path.of("src/main/avro");
  private static final Path FROZEN = Path.of("src/main/resources/schemas/released");
  private static final String FINGERPRINTS = "fingerprints.txt";

  /** What other teams' programs read and write. */
  private static final Set<String> PUBLIC =
      Set.of(
          "io.lethe.events.ModelRegistered",
          "io.lethe.events.DeletionRequest",
          "io.lethe.events.ModelVersion",
          "io.lethe.events.ErasureReceipt");

  private Released() {}

  /** Every record type, whether a topic or a store holds it or another record. */
  static List<Schema> current() throws IOException {
    try (Stream<Path> files = Files.walk(SOURCES)) {
      return files
          .filter(file -> file.toString().endsWith(".avsc"))
          .map(Released::schemaOf)
          .filter(schema -> schema.getType() == Schema.Type.RECORD)
          .toList();
    }
  }

  private static Schema schemaOf(Path file) {
    String type = file.getFileName().toString().replace(".avsc", "");
    try {
      String namespace =
          Files.readString(file).replaceAll("(?s).*?\"namespace\": *\"([^\"]+)\".*", "$1");
      return SpecificData.get().getSchema(Class.forName(namespace + "." + type));
    } catch (IOException | ClassNotFoundException e) {
      throw new IllegalStateException(file.toString(), e);
    }
  }

  static CompatibilityLevel level(Schema schema) {
    return PUBLIC.contains(schema.getFullName())
        ? CompatibilityLevel.FULL_TRANSITIVE
        : CompatibilityLevel.BACKWARD_TRANSITIVE;
  }

  /** The lines that {@value #FINGERPRINTS} has. */
  static List<String> pinned() throws IOException {
    return Files.readAllLines(FROZEN.resolve(FINGERPRINTS));
  }

  /**
   * The lines that it should have, by the frozen files: CRC-64-AVRO, SHA-256 of the file, its path.
   */
  static List<String> fingerprints() throws IOException {
    try (Stream<Path> files = Files.walk(FROZEN)) {
      return files
          .filter(file -> file.toString().endsWith(".avsc"))
          .sorted()
          .map(Released::fingerprint)
          .toList();
    }
  }

  private static String fingerprint(Path file) {
    try {
      String text = Files.readString(file);
      byte[] sha256 =
          MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
      return String.format(
          "%016x %s %s",
          SchemaNormalization.parsingFingerprint64(new Schema.Parser().parse(text)),
          HexFormat.of().formatHex(sha256),
          FROZEN.relativize(file).toString().replace('\\', '/'));
    } catch (IOException | NoSuchAlgorithmException e) {
      throw new IllegalStateException(file.toString(), e);
    }
  }

  /**
   * Freezes the schemas that differ from their last frozen copy: as the next version, or in its
   * place, which is right only as long as that copy was never released.
   */
  static void freeze(boolean inPlace) throws IOException {
    for (Schema schema : current()) {
      List<Schema> frozen = ReleasedSchemas.of(schema.getFullName());
      int last = frozen.size();
      String text = schema.toString(true) + "\n";
      if (last > 0 && (frozen.get(last - 1).toString(true) + "\n").equals(text)) {
        continue;
      }
      int number = inPlace && last > 0 ? last : last + 1;
      Path file = FROZEN.resolve(schema.getFullName()).resolve(number + ".avsc");
      Files.createDirectories(file.getParent());
      Files.writeString(file, text);
    }
    Files.write(FROZEN.resolve(FINGERPRINTS), fingerprints());
  }
}
