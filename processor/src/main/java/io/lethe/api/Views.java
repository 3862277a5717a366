package io.lethe.api;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lethe.events.ModelRegistered;
import io.lethe.json.JsonRecords;
import io.lethe.state.ModelState;
import io.lethe.state.RequestState;
import io.lethe.topology.BlockingModel;
import java.util.List;

/**
 * What the API shows of requests and models: records of the stores, field by field, without what
 * only the program itself has a use for. {@code docs/openapi.yaml} takes its schemas from the same
 * lists and records, so that a field that is added there is documented here.
 */
final class Views {
  /** What a request's state has besides what is shown. */
  static final List<String> HIDDEN_OF_REQUEST = List.of("intakePartition", "deadlineAt", "trace");

  /** What is shown of a model's state, besides its registration. */
  static final List<String> SHOWN_OF_MODEL =
      List.of(
          "phase",
          "version",
          "anchorId",
          "trainingSamples",
          "erasedSamples",
          "excludedSamples",
          "awaitingExact",
          "exactDueAt",
          "erosion",
          "targetsOf",
          "pendingRequests",
          "pendingSamples",
          "requestsSetAside",
          "jobId");

  private Views() {}

  /**
   * @param blocking the models that the request waits for and that do not go on by themselves
   */
  static ObjectNode request(String requestId, RequestState state, List<BlockingModel> blocking) {
    ObjectNode json = JsonRecords.toJson(state);
    json.remove(HIDDEN_OF_REQUEST);
    json.put("requestId", requestId);
    ArrayNode blockedBy = json.putArray("blockedBy");
    blocking.forEach(model -> blockedBy.add(blocking(model)));
    return json;
  }

  private static ObjectNode blocking(BlockingModel model) {
    ObjectNode json = JsonNodeFactory.instance.objectNode().put("modelId", model.modelId());
    model.phase().ifPresent(phase -> json.put("phase", phase.name()));
    model.jobId().ifPresent(jobId -> json.put("jobId", jobId.toString()));
    return json;
  }

  static ObjectNode model(ModelState state) {
    ModelRegistered registration = state.getRegistration();
    ObjectNode json = JsonRecords.toJson(registration);
    ObjectNode all = JsonRecords.toJson(state);
    SHOWN_OF_MODEL.stream().filter(all::has).forEach(name -> json.set(name, all.get(name)));
    return json;
  }
}
