package io.lethe.topology;

import io.lethe.topology.BatchingRules.Task;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.function.Predicate;

/** What the rules say of a model's requests: which wait, and which its job is for. */
final class PendingRules {
  /** Wait for the next batch, in this order. */
  private List<Task> pending = new ArrayList<>();

  /** What the job is for. */
  private List<Task> batch = new ArrayList<>();

  /** Under a legal hold. */
  private final Map<UUID, Task> held = new LinkedHashMap<>();

  /** Name samples that the dataset lacks. */
  private final Map<UUID, Task> aside = new LinkedHashMap<>();

  List<Task> pending() {
    return pending;
  }

  List<Task> batch() {
    return batch;
  }

  Map<UUID, Task> held() {
    return held;
  }

  Map<UUID, Task> aside() {
    return aside;
  }

  int pendingSamples() {
    return pending.stream().mapToInt(task -> task.samples().size()).sum();
  }

  /**
   * Samples and classes are forgotten by different methods: the batch is of what its oldest is.
   * Classes are cut off by samples; samples pass classes over, up to one that is due itself.
   */
  void takeBatch(Predicate<Task> isDue) {
    List<Task> waiting = pending;
    boolean ofClasses = waiting.get(0).ofClasses();
    List<Task> passedOver = new ArrayList<>();
    int end = 0;
    batch = new ArrayList<>();
    for (; end < waiting.size(); end++) {
      Task task = waiting.get(end);
      if (task.ofClasses() == ofClasses) {
        batch.add(task);
      } else if (ofClasses || isDue.test(task)) {
        break;
      } else {
        passedOver.add(task);
      }
    }
    pending = new ArrayList<>(waiting.subList(end, waiting.size()));
    pending.addAll(passedOver);
  }

  /** A retraining serves all that wait. */
  void takeAll() {
    batch = pending;
    pending = new ArrayList<>();
  }

  /** The batch that the job was for; it is served. */
  List<Task> served() {
    List<Task> served = batch;
    batch = new ArrayList<>();
    return served;
  }

  /** The batch waits again, before all others. */
  void batchWaitsAgain() {
    batch.addAll(pending);
    pending = batch;
    batch = new ArrayList<>();
  }

  /** What was set aside waits again, behind all others. */
  void asideWaitsAgain() {
    pending.addAll(aside.values());
    aside.clear();
  }

  /** Those of the batch that name one of the samples. */
  List<Task> naming(Set<String> samples) {
    return batch.stream().filter(task -> !Collections.disjoint(task.samples(), samples)).toList();
  }

  boolean isInBatch(UUID id) {
    return batch.stream().anyMatch(task -> task.id().equals(id));
  }

  /** Takes a request out of the batch, or of what waits; null: it is not there. */
  Task takeOut(UUID id, boolean ofBatch) {
    List<Task> from = ofBatch ? batch : pending;
    Task taken = from.stream().filter(task -> task.id().equals(id)).findFirst().orElse(null);
    from.remove(taken);
    return taken;
  }

  /** All there is, served or not. */
  List<Task> takeEverything() {
    List<Task> all = new ArrayList<>(batch);
    all.addAll(pending);
    all.addAll(held.values());
    all.addAll(aside.values());
    batch.clear();
    pending.clear();
    held.clear();
    aside.clear();
    return all;
  }
}
