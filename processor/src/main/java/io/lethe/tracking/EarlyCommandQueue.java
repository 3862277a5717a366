package io.lethe.tracking;

import io.lethe.state.EarlyCommands;
import io.lethe.state.RequestEvent;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;

/**
 * Commands that overtook their request: under the request's id they lie on another partition than
 * the request, and nothing orders the two. They are kept for a while and taken in their order when
 * the request arrives; after that they are dead letters.
 */
final class EarlyCommandQueue {
  /** Of one request; more than that nobody means. */
  private static final int LIMIT = 32;

  private final Duration patience;
  private final TrackingStores stores;

  EarlyCommandQueue(Duration patience, TrackingStores stores) {
    this.patience = patience;
    this.stores = stores;
  }

  /** Keeps a command; false: there are too many. */
  boolean add(String requestId, RequestEvent command, Instant now) {
    EarlyCommands before = stores.early(requestId);
    List<RequestEvent> commands =
        new ArrayList<>(before == null ? List.of() : before.getCommands());
    if (commands.size() >= LIMIT) {
      return false;
    }
    commands.add(command);
    Instant until = before == null ? now.plus(patience) : before.getUntil();
    stores.putEarly(requestId, new EarlyCommands(commands, until));
    return true;
  }

  /** Takes all commands on the request out, in the order in which they came. */
  List<RequestEvent> take(String requestId) {
    EarlyCommands early = stores.early(requestId);
    if (early == null) {
      return List.of();
    }
    stores.deleteEarly(requestId, early);
    return early.getCommands();
  }
}
