package io.lethe.intake;

import io.lethe.events.DeletionRequest;
import io.lethe.events.ModelRegistered;
import io.lethe.state.ModelWalk;
import io.lethe.state.SubjectErasure;
import java.util.Map;
import org.apache.kafka.streams.state.KeyValueIterator;

/**
 * Brings a model that is registered together with the requests that came before it: those that were
 * accepted may concern it as well (a subject stays erased), those that wait may have waited for it.
 *
 * <p>There can be millions of them, and a transaction must not take long: so many are looked at
 * with the registration, the rest at the next ticks. How far a walk has come lies in a store and is
 * part of the transaction, so that a restart goes on where it was. What is accepted after the
 * registration knows the model; its epoch says so, and the walk leaves it alone.
 */
final class ModelWalks {
  private final int stepSize;
  private final IntakeStores stores;
  private final LateData lateData;
  private final Waiting waiting;

  ModelWalks(int stepSize, IntakeStores stores, LateData lateData, Waiting waiting) {
    this.stepSize = stepSize;
    this.stores = stores;
    this.lateData = lateData;
    this.waiting = waiting;
  }

  /** Starts for a model that is registered for the first time, or again after its retirement. */
  void start(ModelRegistered model) {
    long epoch = stores.epoch() + 1;
    stores.putEpoch(epoch);
    stores.putWalk(model.getModelId(), ModelWalk.newBuilder().setEpoch(epoch).build());
    step();
  }

  /** Goes on with what is left to be looked at. */
  void step() {
    int budget = stepSize;
    for (Map.Entry<String, ModelWalk> open : stores.walks().entrySet()) {
      if (budget <= 0) {
        return;
      }
      budget = step(open.getKey(), open.getValue(), budget);
    }
  }

  private int step(String modelId, ModelWalk walk, int budget) {
    ModelRegistered model = stores.model(modelId);
    ModelWalk.Builder next = ModelWalk.newBuilder(walk);
    int left = walk.getErasuresDone() ? budget : walkErasures(model, next, budget);
    left = next.getErasuresDone() ? walkWaiting(next, left) : left;
    if (left > 0) {
      stores.deleteWalk(modelId);
    } else {
      stores.putWalk(modelId, next.build());
    }
    return left;
  }

  private int walkErasures(ModelRegistered model, ModelWalk.Builder walk, int budget) {
    int left = budget;
    try (KeyValueIterator<String, SubjectErasure> erasures =
        stores.erasuresAfter(walk.getLastErasure())) {
      while (erasures.hasNext() && left > 0) {
        var entry = erasures.next();
        if (entry.value.getEpoch() < walk.getEpoch()) {
          walk.setServed(lateData.onModel(model, entry.key, entry.value, walk.getServed()));
        }
        walk.setLastErasure(entry.key);
        left--;
      }
      walk.setErasuresDone(!erasures.hasNext());
    }
    return left;
  }

  private int walkWaiting(ModelWalk.Builder walk, int budget) {
    int left = budget;
    try (KeyValueIterator<String, DeletionRequest> open =
        stores.waitingAfter(walk.getLastWaiting())) {
      while (open.hasNext() && left > 0) {
        var entry = open.next();
        waiting.retry(entry.key, entry.value);
        walk.setLastWaiting(entry.key);
        left--;
      }
    }
    return left;
  }
}
