package io.lethe.topology;

import java.util.Set;
import java.util.TreeSet;

/** Samples, and classes whole, that a model is to forget or has forgotten. */
final class Erased {
  final Set<String> samples = new TreeSet<>();
  final Set<String> classes = new TreeSet<>();

  boolean isEmpty() {
    return samples.isEmpty() && classes.isEmpty();
  }

  void clear() {
    samples.clear();
    classes.clear();
  }

  void addAll(Erased other) {
    samples.addAll(other.samples);
    classes.addAll(other.classes);
  }

  void removeAll(Erased other) {
    samples.removeAll(other.samples);
    classes.removeAll(other.classes);
  }
}
