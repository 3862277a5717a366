package io.lethe.intake;

import io.lethe.events.DeletionRequest;
import io.lethe.events.ModelRegistered;
import io.lethe.state.ModelWalk;
import io.lethe.state.SubjectErasure;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.ToIntBiFunction;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.state.KeyValueIterator;

/**
 * Brings a model that is registered together with the requests that came before it: those that were
 * accepted may concern it as well (a subject stays erased), those that wait may have waited for it.
 *
 * <p>There can be millions of them, and a transaction must not take long: so many are looked at
 * with the registration, the rest at the next ticks. How far a walk has come lies in a store and is
 * part of the transaction, so that a restart goes on where it was. What is accepted after the
 * registration knows the model; its epoch says so, and the walk leaves it alone.
 *
 * <p>Many models may be registered at once. Those that are furthest ahead go on to the end, in one
 * pass for all of them; those that have come meanwhile follow, again together: what is read is the
 * requests, not the requests times the models, and each model waits for one walk at most besides
 * its own, however many keep coming.
 */
final class ModelWalks {
  /** The order of the keys in a store. */
  private static final Comparator<String> STORE_ORDER =
      (one, other) ->
          Arrays.compareUnsigned(
              one.getBytes(StandardCharsets.UTF_8), other.getBytes(StandardCharsets.UTF_8));

  private final int stepSize;
  private final IntakeStores stores;
  private final LateData lateData;
  private final Waiting waiting;
  private final WalkMetrics metrics;

  ModelWalks(
      int stepSize, IntakeStores stores, LateData lateData, Waiting waiting, WalkMetrics metrics) {
    this.stepSize = stepSize;
    this.stores = stores;
    this.lateData = lateData;
    this.waiting = waiting;
    this.metrics = metrics;
  }

  /**
   * How far a walk has come: through the accepted requests, then through those that wait.
   *
   * @param last the key that it ended at; null: at none yet
   */
  private record Position(boolean waits, String last) implements Comparable<Position> {
    private static final Comparator<Position> ORDER =
        Comparator.comparing(Position::waits)
            .thenComparing(Position::last, Comparator.nullsFirst(STORE_ORDER));

    static Position of(ModelWalk walk) {
      return walk.getErasuresDone()
          ? new Position(true, walk.getLastWaiting().orElse(null))
          : new Position(false, walk.getLastErasure().orElse(null));
    }

    @Override
    public int compareTo(Position other) {
      return ORDER.compare(this, other);
    }
  }

  /**
   * What came of a pass.
   *
   * @param last the key that it ended at
   * @param done whether it came to the end
   * @param looked requests that were looked at
   * @param cost of it, in the unit of the step size
   */
  private record Pass(String last, boolean done, long looked, int cost) {}

  /**
   * Starts for a model that is registered for the first time, or again after its retirement. Where
   * others are under way it joins them at the next tick: of many that are registered at once, each
   * would else take a step.
   */
  void start(ModelRegistered model) {
    boolean alone = !stores.hasWalks();
    long epoch = stores.epoch() + 1;
    stores.putEpoch(epoch);
    stores.putWalk(model.getModelId(), ModelWalk.newBuilder().setEpoch(epoch).build());
    if (alone) {
      step();
    }
  }

  /** Goes on with what is left to be looked at. */
  void step() {
    int budget = stepSize;
    while (budget > 0 && stores.hasWalks()) {
      budget -= passOfThoseAhead(budget);
    }
    tell();
  }

  private int passOfThoseAhead(int budget) {
    TreeMap<Position, Map<String, ModelWalk>> byPosition = new TreeMap<>();
    stores
        .walks()
        .forEach(
            (modelId, walk) ->
                byPosition
                    .computeIfAbsent(Position.of(walk), position -> new TreeMap<>())
                    .put(modelId, walk));
    Position from = byPosition.lastKey();
    Map<String, ModelWalk> ahead = byPosition.get(from);
    Pass pass =
        from.waits() ? retry(ahead, from.last(), budget) : follow(ahead, from.last(), budget);
    metrics.looked(pass.looked());
    return pass.cost();
  }

  /** Looks at accepted requests for models. */
  private Pass follow(Map<String, ModelWalk> walks, String from, int budget) {
    LateModels later = new LateModels();
    Map<String, LateModels.Late> models = new HashMap<>();
    walks.forEach(
        (modelId, walk) ->
            models.put(
                modelId, later.add(stores.model(modelId), walk.getEpoch(), walk.getServed())));
    Pass pass;
    try (KeyValueIterator<String, SubjectErasure> erasures = stores.erasuresAfter(from)) {
      pass = pass(erasures, from, budget, (key, of) -> lateData.onModels(later, key, of));
    }
    walks.forEach(
        (modelId, walk) ->
            stores.putWalk(
                modelId,
                ModelWalk.newBuilder(walk)
                    .setServed(models.get(modelId).served())
                    .setLastErasure(pass.last())
                    .setErasuresDone(pass.done())
                    .setLooked(walk.getLooked() + pass.looked())
                    .build()));
    return pass;
  }

  /** Tries requests that wait again. */
  private Pass retry(Map<String, ModelWalk> walks, String from, int budget) {
    Pass pass;
    try (KeyValueIterator<String, DeletionRequest> open = stores.waitingAfter(from)) {
      pass = pass(open, from, budget, this::retried);
    }
    walks.forEach(
        (modelId, walk) -> {
          if (pass.done()) {
            stores.deleteWalk(modelId);
          } else {
            stores.putWalk(
                modelId,
                ModelWalk.newBuilder(walk)
                    .setLastWaiting(pass.last())
                    .setLooked(walk.getLooked() + pass.looked())
                    .build());
          }
        });
    return pass;
  }

  private int retried(String key, DeletionRequest request) {
    waiting.retry(key, request);
    return 1;
  }

  private static <V> Pass pass(
      KeyValueIterator<String, V> entries,
      String from,
      int budget,
      ToIntBiFunction<String, V> look) {
    String last = from;
    int cost = 0;
    long looked = 0;
    while (cost < budget && entries.hasNext()) {
      KeyValue<String, V> entry = entries.next();
      cost += look.applyAsInt(entry.key, entry.value);
      last = entry.key;
      looked++;
    }
    return new Pass(last, !entries.hasNext(), looked, cost);
  }

  private void tell() {
    if (!stores.hasWalks()) {
      metrics.open(0, 0);
      return;
    }
    Map<String, ModelWalk> open = stores.walks();
    long looked = open.values().stream().mapToLong(ModelWalk::getLooked).min().orElse(0);
    metrics.open(open.size(), Math.max(0, stores.requestsToLookAt() - looked));
  }
}
