package io.lethe.unlearning.method;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.MapperFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.datatype.jdk8.Jdk8Module;
import io.lethe.events.UnlearningPolicy;
import io.lethe.unlearning.UnlearningException;

/**
 * Hyperparameters as a policy gives them: a JSON object by the method's name, that names what
 * differs from the method's defaults.
 */
final class ParameterText {
  private static final ObjectMapper JSON =
      JsonMapper.builder()
          .addModule(new Jdk8Module())
          .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
          .enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
          .enable(MapperFeature.ACCEPT_CASE_INSENSITIVE_ENUMS)
          .disable(DeserializationFeature.ACCEPT_FLOAT_AS_INT)
          .build();

  private ParameterText() {}

  static String of(Object parameters) {
    try {
      return JSON.writeValueAsString(parameters);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException(e);
    }
  }

  /**
   * Of a method without hyperparameters.
   *
   * @throws UnlearningException when the policy gives it some
   */
  static void requireNone(UnlearningPolicy policy, String method) {
    String given = policy.getMethodParameters().get(method);
    try {
      if (given != null && !JSON.readTree(given).isEmpty()) {
        throw new UnlearningException(method + " has no hyperparameters");
      }
    } catch (JsonProcessingException e) {
      throw new UnlearningException(method + ": its hyperparameters are no JSON object");
    }
  }

  /**
   * The defaults with what the policy says of the method.
   *
   * @throws UnlearningException in one line that names the method
   */
  static <P> P read(UnlearningPolicy policy, String method, P defaults) {
    String given = policy.getMethodParameters().get(method);
    if (given == null) {
      return defaults;
    }
    try {
      JsonNode differing = JSON.readTree(given);
      if (!differing.isObject()) {
        throw new UnlearningException(method + ": its hyperparameters are no JSON object");
      }
      ObjectNode merged = JSON.valueToTree(defaults);
      differing.properties().forEach(field -> merged.set(field.getKey(), field.getValue()));
      @SuppressWarnings("unchecked")
      Class<P> type = (Class<P>) defaults.getClass();
      return JSON.treeToValue(merged, type);
    } catch (JsonProcessingException e) {
      Throwable cause = e.getCause() instanceof IllegalArgumentException ? e.getCause() : e;
      String line = cause.getMessage() == null ? "" : cause.getMessage().lines().findFirst().get();
      throw new UnlearningException("%s: %s".formatted(method, line));
    }
  }
}
