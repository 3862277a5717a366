package io.lethe.dataset;

import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/** {@code scheme:location?name=value&…#split}. Not a {@code java.net.URI}: paths are plain. */
final class DatasetUri {
  private final String text;
  private final String scheme;
  private final String location;
  private final Map<String, String> parameters = new LinkedHashMap<>();
  private final String split;

  DatasetUri(String text) {
    this.text = text;
    int colon = text.indexOf(':');
    if (colon <= 0) {
      throw new DatasetException(
          text + ": not a dataset URI; write for example idx:DIR#train or synthetic:digits");
    }
    scheme = text.substring(0, colon);
    String rest = text.substring(colon + 1);
    int hash = rest.lastIndexOf('#');
    split = hash < 0 ? "train" : rest.substring(hash + 1);
    rest = hash < 0 ? rest : rest.substring(0, hash);
    int question = rest.indexOf('?');
    location = question < 0 ? rest : rest.substring(0, question);
    if (question >= 0) {
      for (String pair : rest.substring(question + 1).split("&")) {
        int equals = pair.indexOf('=');
        if (equals <= 0) {
          throw new DatasetException("%s: %s is not name=value".formatted(text, pair));
        }
        String value =
            URLDecoder.decode(
                pair.substring(equals + 1).replace("+", "%2B"), StandardCharsets.UTF_8);
        if (parameters.put(pair.substring(0, equals), value) != null) {
          throw new DatasetException(
              "%s: %s is given twice".formatted(text, pair.substring(0, equals)));
        }
      }
    }
    if (!split.equals("train") && !split.equals("test")) {
      throw new DatasetException("%s: the split is train or test".formatted(text));
    }
  }

  String scheme() {
    return scheme;
  }

  String location() {
    return location;
  }

  /** {@code train} or {@code test}. */
  String split() {
    return split;
  }

  void allowOnly(Set<String> names) {
    for (String name : parameters.keySet()) {
      if (!names.contains(name)) {
        throw new DatasetException("%s: unknown parameter %s".formatted(text, name));
      }
    }
  }

  String text(String name, String absent) {
    return parameters.getOrDefault(name, absent);
  }

  /** A whole number within bounds. */
  long number(String name, long absent, long least, long most) {
    String value = parameters.get(name);
    if (value == null) {
      return absent;
    }
    try {
      long number = Long.parseLong(value);
      if (number >= least && number <= most) {
        return number;
      }
    } catch (NumberFormatException e) {
      throw new DatasetException("%s: %s is not a whole number".formatted(text, name), e);
    }
    throw new DatasetException(
        "%s: %s must be between %d and %d".formatted(text, name, least, most));
  }

  /** A share between 0 and 1. */
  double share(String name, double absent) {
    String value = parameters.get(name);
    if (value == null) {
      return absent;
    }
    try {
      double number = Double.parseDouble(value);
      if (number >= 0 && number <= 1) {
        return number;
      }
    } catch (NumberFormatException e) {
      throw new DatasetException("%s: %s is not a number".formatted(text, name), e);
    }
    throw new DatasetException("%s: %s must be between 0 and 1".formatted(text, name));
  }

  @Override
  public String toString() {
    return text;
  }
}
