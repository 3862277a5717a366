package io.lethe.schemas.serde;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.avro.Schema;

/**
 * Frozen copies of the schemas of earlier releases: resources {@code schemas/released/<full
 * name>/<n>.avsc}, numbered from 1 without a gap, each complete in itself.
 */
public final class ReleasedSchemas {
  private ReleasedSchemas() {}

  /** Oldest first; empty where none was released. */
  public static List<Schema> of(String fullName) {
    List<Schema> schemas = new ArrayList<>();
    while (true) {
      String resource = "/schemas/released/" + fullName + "/" + (schemas.size() + 1) + ".avsc";
      try (InputStream in = ReleasedSchemas.class.getResourceAsStream(resource)) {
        if (in == null) {
          return List.copyOf(schemas);
        }
        schemas.add(new Schema.Parser().parse(in));
      } catch (IOException e) {
        throw new UncheckedIOException("Resource " + resource, e);
      }
    }
  }
}
