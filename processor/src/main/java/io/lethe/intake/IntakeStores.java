package io.lethe.intake;

import io.lethe.events.DeletionRequest;
import io.lethe.events.ModelRegistered;
import io.lethe.state.IntakeRequest;
import io.lethe.state.Lineage;
import io.lethe.streams.StateStores;
import java.util.List;
import org.apache.kafka.streams.state.StoreBuilder;

/** The stores of intake. */
public final class IntakeStores {
  /** The models, all of them on each partition: they arrive on a topic that is broadcast. */
  public static final String MODELS_STORE = "intake-models";

  /** Samples by subject and dataset. */
  public static final String LINEAGE_STORE = "intake-lineage";

  /** Requests seen. */
  public static final String REQUESTS_STORE = "intake-requests";

  /** Requests that wait for lineage or a model, by subject (or dataset) and request. */
  public static final String WAITING_STORE = "intake-waiting";

  private IntakeStores() {}

  /** Builders of all stores. */
  public static List<StoreBuilder<?>> builders() {
    return List.of(
        StateStores.ofRecords(MODELS_STORE, ModelRegistered.class),
        StateStores.ofRecords(LINEAGE_STORE, Lineage.class),
        StateStores.ofRecords(REQUESTS_STORE, IntakeRequest.class),
        StateStores.ofRecords(WAITING_STORE, DeletionRequest.class));
  }
}
