package io.lethe.topology;

import static org.assertj.core.api.Assertions.assertThat;

import io.lethe.events.ErasureReceipt;
import io.lethe.events.ModelResult;
import io.lethe.events.RequestStatus;
import io.lethe.events.UnlearningJob;
import io.lethe.state.ModelProgress;
import io.lethe.state.ModelState;
import io.lethe.state.Phase;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.UUID;
import java.util.stream.Collectors;

/** Whether the topology says the same as the rules: of models, requests, jobs and receipts. */
final class RulesComparison {
  private final TopologyFixture lethe;
  private final IntakeRules rules;
  private final PlayedWorker worker;
  private final Map<UUID, ErasureReceipt> receipts = new HashMap<>();

  /** Of other requests that came under an id that was taken. */
  private final Set<UUID> denials = new HashSet<>();

  private final Set<UUID> denied = new HashSet<>();
  private final Set<UUID> begunElsewhere = new HashSet<>();
  private final Set<UUID> finishedElsewhere = new HashSet<>();

  RulesComparison(TopologyFixture lethe, IntakeRules rules, PlayedWorker worker) {
    this.lethe = lethe;
    this.rules = rules;
    this.worker = worker;
  }

  /** A model has begun with another request under the id. */
  void begunElsewhere(UUID id) {
    begunElsewhere.add(id);
  }

  void compare() {
    worker.readJobs();
    readReceipts();
    rules.models.forEach(this::compare);
    rules.requests.forEach(this::compare);
    assertThat(rules.requests.keySet()).as("requests").containsAll(receipts.keySet());
  }

  void allHaveReceipts() {
    readReceipts();
    assertThat(receipts.keySet()).containsExactlyInAnyOrderElementsOf(rules.requests.keySet());
  }

  private void compare(UUID id, TrackedRequest request) {
    assertThat(lethe.requestState(id).getStatus()).as("status").isEqualTo(request.status);
    assertThat(receipts.containsKey(id)).as("has a receipt").isEqualTo(request.ended());
    assertThat(setAside(id)).as("models that set it aside").isEqualTo(rules.setAside(id));
    if (request.ended()) {
      compare(receipts.get(id), request);
    }
  }

  /** Models that have set a request aside, as its status says. */
  private Set<String> setAside(UUID id) {
    return lethe.requestState(id).getProgress().stream()
        .filter(progress -> progress.getReason().equals(Optional.of("unknown_samples")))
        .map(ModelProgress::getModelId)
        .collect(Collectors.toCollection(TreeSet::new));
  }

  private static void compare(ErasureReceipt receipt, TrackedRequest request) {
    assertThat(receipt.getStatus()).as("its status").isEqualTo(request.status);
    assertThat(receipt.getWithdrawnModels()).as("withdrawn").hasSize(request.withdrawn);
    assertThat(receipt.getRetiredModels()).as("retired").hasSize(request.retired);
    assertThat(receipt.getModels())
        .as("models that have forgotten")
        .hasSizeGreaterThanOrEqualTo(request.done)
        .hasSizeLessThanOrEqualTo(request.done + request.retired);
  }

  private void compare(String id, BatchingRules model) {
    ModelState state = lethe.model(id);
    assertThat(state.getPhase()).as("phase of " + id).isEqualTo(model.phase());
    assertThat(state.getPendingRequests()).as("pending").isEqualTo(model.tasks().pending().size());
    assertThat(state.getPendingSamples())
        .as("their samples")
        .isEqualTo(model.tasks().pendingSamples());
    assertThat(state.getRequestsSetAside()).as("set aside").isEqualTo(model.tasks().aside().size());
    assertThat(state.getErasedSamples()).as("erased").isEqualTo(model.memory().erased());
    assertThat(worker.offers(id)).as("offers").isEqualTo(model.job().offers);
    assertThat(state.getAwaitingExact()).as("quarantined").isEqualTo(model.quarantined());
    assertThat(state.getExcludedSamples()).as("excluded").isEqualTo(model.memory().excluded());
    if (model.isRunning()) {
      UnlearningJob job = worker.job(id);
      assertThat(job.getGateOverridden()).as("released by hand").isEqualTo(model.job().overridden);
      assertThat(job.getHeldSha256().isPresent())
          .as("names the model that a person has seen")
          .isEqualTo(model.job().overridden);
    }
    if (model.isAnchored()) {
      compareAnchored(id, model);
    }
    if (model.isAnchored() || !model.isLive()) {
      assertThat(lethe.samplesWithTargets(id))
          .as("samples with held-out targets")
          .isEqualTo(model.hasTargets() ? PlayedWorker.PREDICTED : Set.of());
    }
  }

  private void compareAnchored(String id, BatchingRules model) {
    if (model.phase() != Phase.COLLECTING) {
      UnlearningJob job = worker.job(id);
      assertThat(job.getSampleIds())
          .as("forget set")
          .containsExactlyElementsOf(model.job().forgets.samples);
      assertThat(job.getClasses())
          .as("classes to forget")
          .containsExactlyElementsOf(model.job().forgets.classes);
    }
    assertThat(lethe.sums(id, worker.anchor(id)).orElseThrow().retained())
        .as("retained")
        .usingRecursiveComparison()
        .isEqualTo(PlayedWorker.diagonal(PlayedWorker.TRAINING_SAMPLES - model.subtracted()));
  }

  private void readReceipts() {
    for (ErasureReceipt receipt : lethe.receipts()) {
      UUID taken = receipt.getSentAs().orElse(null);
      if (taken == null) {
        assertThat(receipts.put(receipt.getRequestId(), receipt)).as("a second receipt").isNull();
      } else {
        readDenial(receipt, taken);
      }
    }
    assertThat(denied).as("ids that were taken").isEqualTo(rules.conflicts);
    assertThat(finishedElsewhere)
        .as("those of which a model had begun with the other request")
        .isEqualTo(begunElsewhere);
  }

  private void readDenial(ErasureReceipt receipt, UUID taken) {
    boolean completed = receipt.getStatus() == RequestStatus.COMPLETED;
    assertThat(receipt.getModels())
        .as("models that had begun with it")
        .extracting(ModelResult::getModelId)
        .isEqualTo(completed ? List.of("m1") : List.of());
    if (completed) {
      finishedElsewhere.add(taken);
    } else {
      assertThat(receipt.getStatus()).isEqualTo(RequestStatus.DENIED);
    }
    assertThat(denials.add(receipt.getRequestId())).as("a second denial").isTrue();
    denied.add(taken);
  }
}
