package io.lethe.topology;

import io.lethe.state.ModelProgress;
import io.lethe.state.ModelStage;
import io.lethe.state.ModelState;
import io.lethe.state.Phase;
import io.lethe.state.RequestState;
import java.util.List;
import java.util.Optional;
import java.util.UUID;

/**
 * A model that a request waits for while its own job waits for a person. The requests of that job
 * are told so; those behind it, and those that wait for a retraining, are not.
 *
 * <p>RATIONALE: this is looked up when somebody asks where a request stands. Behind one stopped job
 * there may be hundreds of thousands of requests: to tell each that it stops, and each again that
 * it goes on, would be as many records for what the model's state says in one field.
 *
 * @param phase why it waits; empty: its instance does not answer, so that nobody knows
 * @param jobId its job
 */
public record BlockingModel(String modelId, Optional<Phase> phase, Optional<UUID> jobId) {
  /** The model, if its job waits for a person. */
  public static Optional<BlockingModel> of(ModelState state) {
    return of(state.getRegistration().getModelId(), state.getPhase(), state.getJobId());
  }

  /** As {@link #of(ModelState)}, by what another instance says of the model. */
  public static Optional<BlockingModel> of(String modelId, Phase phase, Optional<UUID> jobId) {
    return switch (phase) {
      case PARKED, HELD, ESCALATED ->
          Optional.of(new BlockingModel(modelId, Optional.of(phase), jobId));
      case ANCHORING, COLLECTING, UNLEARNING, RETRAINING, RETIRED -> Optional.empty();
    };
  }

  /** A model of which nobody can say at the moment whether it is stopped. */
  public static BlockingModel unreachable(String modelId) {
    return new BlockingModel(modelId, Optional.empty(), Optional.empty());
  }

  /** The models that the request waits for. Under a legal hold it does not: it is held itself. */
  public static List<String> awaited(RequestState request) {
    return switch (request.getStatus()) {
      case COMPLETED, CANCELLED, DENIED -> List.of();
      case PENDING, IN_PROGRESS ->
          request.getModels().stream().filter(modelId -> isAwaited(request, modelId)).toList();
    };
  }

  private static boolean isAwaited(RequestState request, String modelId) {
    return request.getProgress().stream()
        .filter(progress -> progress.getModelId().equals(modelId))
        .map(ModelProgress::getStage)
        .allMatch(BlockingModel::isOpen);
  }

  private static boolean isOpen(ModelStage stage) {
    return switch (stage) {
      case PENDING, STARTED, STOPPED, QUARANTINED -> true;
      case HELD, UNLEARNED, WITHDRAWN, RETIRED -> false;
    };
  }
}
