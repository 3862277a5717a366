package io.lethe.intake;

import io.lethe.events.ModelRegistered;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Models that are registered later than some requests and are brought together with them in one
 * pass, by dataset: what is looked up for one of them serves all.
 */
final class LateModels {
  private final Map<String, List<Late>> byDataset = new TreeMap<>();

  /** One of them. */
  static final class Late {
    private final ModelRegistered model;
    private final long epoch;
    private String served;

    private Late(ModelRegistered model, long epoch, String served) {
      this.model = model;
      this.epoch = epoch;
      this.served = served;
    }

    String modelId() {
      return model.getModelId();
    }

    /** Which first registration it is: requests that were accepted later know the model. */
    long epoch() {
      return epoch;
    }

    /** The subject that the last follow-up was for: one is enough. */
    String served() {
      return served;
    }

    void serve(String subjectId) {
      served = subjectId;
    }
  }

  /** Adds a model; the return value says, after a pass, what came of it. */
  Late add(ModelRegistered model, long epoch, String served) {
    Late late = new Late(model, epoch, served);
    byDataset.computeIfAbsent(model.getDatasetId(), dataset -> new ArrayList<>()).add(late);
    return late;
  }

  Map<String, List<Late>> byDataset() {
    return byDataset;
  }
}
