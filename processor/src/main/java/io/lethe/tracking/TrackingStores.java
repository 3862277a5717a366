package io.lethe.tracking;

import io.lethe.state.RequestState;
import io.lethe.streams.StateStores;
import java.util.List;
import org.apache.kafka.streams.state.StoreBuilder;

/** The stores of tracking. */
public final class TrackingStores {
  /** Requests by id. */
  public static final String REQUESTS_STORE = "tracking-requests";

  private TrackingStores() {}

  /** Builders of all stores. */
  public static List<StoreBuilder<?>> builders() {
    return List.of(StateStores.ofRecords(REQUESTS_STORE, RequestState.class));
  }
}
