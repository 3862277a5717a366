package io.lethe.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Mean, sample standard deviation, least and most of each figure over the seeds of a bench. */
final class Spread {
  private Spread() {}

  /**
   * @param trials objects of rows ({@code rows.NAME.FIGURE}), one per seed
   * @return {@code NAME.FIGURE} with {@code mean}, {@code sd} (0 for one seed), {@code min}, {@code
   *     max}
   */
  static ObjectNode of(List<ObjectNode> trials) {
    Map<String, Map<String, List<Double>>> values = new LinkedHashMap<>();
    for (ObjectNode trial : trials) {
      for (Map.Entry<String, JsonNode> row : trial.path("rows").properties()) {
        for (Map.Entry<String, JsonNode> figure : row.getValue().properties()) {
          if (figure.getValue().isNumber()) {
            values
                .computeIfAbsent(row.getKey(), name -> new LinkedHashMap<>())
                .computeIfAbsent(figure.getKey(), name -> new ArrayList<>())
                .add(figure.getValue().asDouble());
          }
        }
      }
    }
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    values.forEach(
        (row, figures) ->
            figures.forEach(
                (figure, all) -> json.withObjectProperty(row).set(figure, summary(all))));
    return json;
  }

  private static ObjectNode summary(List<Double> all) {
    double[] values = all.stream().mapToDouble(Double::doubleValue).toArray();
    double mean = Arrays.stream(values).average().orElseThrow();
    double squares = Arrays.stream(values).map(v -> (v - mean) * (v - mean)).sum();
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("mean", mean);
    json.put("sd", values.length < 2 ? 0 : Math.sqrt(squares / (values.length - 1)));
    json.put("min", Arrays.stream(values).min().orElseThrow());
    json.put("max", Arrays.stream(values).max().orElseThrow());
    return json;
  }
}
