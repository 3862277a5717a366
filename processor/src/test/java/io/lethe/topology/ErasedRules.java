package io.lethe.topology;

import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;

/** What the rules say that a model has forgotten, has never known, and is yet to forget again. */
final class ErasedRules {
  /** Forgotten since the anchor. */
  private final Erased erased = new Erased();

  /** What the anchor was trained without. */
  private final Erased excluded = new Erased();

  /** Erased under earlier anchors, to be forgotten by this one first. */
  private final Erased carried = new Erased();

  /** What the model's dataset has of a class. */
  private final Function<String, Set<String>> samplesOf;

  ErasedRules(Function<String, Set<String>> samplesOf) {
    this.samplesOf = samplesOf;
  }

  int erased() {
    return erased.samples.size();
  }

  int excluded() {
    return excluded.samples.size();
  }

  Erased carried() {
    return carried;
  }

  /** What the model still knows of what some requests are for. */
  Erased known(List<BatchingRules.Task> tasks) {
    Erased known = new Erased();
    for (BatchingRules.Task task : tasks) {
      known.samples.addAll(task.samples());
      known.classes.addAll(task.classes());
    }
    known.removeAll(erased);
    known.removeAll(excluded);
    return known;
  }

  /** What the worker finds of a class. */
  Set<String> resolved(String label) {
    Set<String> samples = new TreeSet<>(samplesOf.apply(label));
    samples.removeAll(erased.samples);
    samples.removeAll(excluded.samples);
    return samples;
  }

  /** The samples that a job is to forget, also those of its classes. */
  Set<String> samples(Erased job) {
    Set<String> samples = new TreeSet<>(job.samples);
    job.classes.forEach(label -> samples.addAll(resolved(label)));
    return samples;
  }

  /** A release has forgotten what its job was for. */
  void forget(Erased job) {
    erased.samples.addAll(samples(job));
    erased.classes.addAll(job.classes);
    carried.removeAll(erased);
  }

  boolean neverKnew(BatchingRules.Task task) {
    return excluded.samples.containsAll(task.samples())
        && excluded.classes.containsAll(task.classes());
  }

  /** The next anchor was trained without all of it. */
  void exclude() {
    excluded.addAll(erased);
    excluded.addAll(carried);
    erased.clear();
    carried.clear();
  }

  /** The next anchor may have been trained with all of it. */
  void carry() {
    carried.addAll(erased);
    carried.addAll(excluded);
    erased.clear();
    excluded.clear();
  }

  void clear() {
    erased.clear();
    excluded.clear();
    carried.clear();
  }
}
