package io.lethe.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import io.lethe.events.UnlearningPolicy;
import io.lethe.json.JsonFormException;
import io.lethe.json.JsonRecords;
import io.lethe.unlearning.MethodCatalogue;
import io.lethe.unlearning.UnlearningException;
import java.io.IOException;
import java.nio.file.Path;

/** A JSON file that names what differs from a default policy; see UnlearningPolicy. */
final class PolicyFile {
  private PolicyFile() {}

  /**
   * @param file may be null: the defaults as they are
   */
  static UnlearningPolicy readOrDefaults(Path file, UnlearningPolicy defaults) {
    if (file == null) {
      return defaults;
    }
    try {
      JsonNode given = new ObjectMapper().readTree(file.toFile());
      asText(given);
      UnlearningPolicy policy =
          JsonRecords.fromJson(merge(JsonRecords.toJson(defaults), given), UnlearningPolicy.class);
      MethodCatalogue methods = MethodCatalogue.installed();
      policy.getLadder().forEach(name -> methods.create(name, policy));
      policy.getClassLadder().forEach(name -> methods.create(name, policy));
      return policy;
    } catch (JsonFormException | UnlearningException e) {
      throw new UnusableException("%s: not a policy: %s".formatted(file, e.getMessage()), e);
    } catch (IOException e) {
      throw new UnusableException(file + ": not readable as JSON", e);
    }
  }

  /** A policy holds hyperparameters as JSON text; a file may write them as plain objects. */
  private static void asText(JsonNode policy) {
    if (policy.get("methodParameters") instanceof ObjectNode methods) {
      methods
          .properties()
          .forEach(
              method -> {
                if (method.getValue().isObject()) {
                  method.setValue(TextNode.valueOf(method.getValue().toString()));
                }
              });
    }
  }

  private static JsonNode merge(ObjectNode base, JsonNode given) {
    given
        .properties()
        .forEach(
            field -> {
              if (base.get(field.getKey()) instanceof ObjectNode object
                  && field.getValue().isObject()) {
                merge(object, field.getValue());
              } else {
                base.set(field.getKey(), field.getValue());
              }
            });
    return base;
  }
}
