package io.lethe.unlearning;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import io.lethe.dataset.SampleDataset;
import io.lethe.events.Evaluation;
import io.lethe.events.GateCheck;
import io.lethe.events.JobStage;
import io.lethe.events.ModelFormat;
import io.lethe.events.StageSeconds;
import io.lethe.fisher.FisherDiagonal;
import io.lethe.model.LoadedModel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import java.util.stream.IntStream;

/**
 * What a worker does for a job, in one call.
 *
 * <p>Every release starts from the anchor's weights and forgets all samples erased since, so that a
 * job may be run again and gives the same bytes. Stateless and thread-safe.
 */
public final class UnlearningPipeline {
  private static final Map<String, Supplier<UnlearningMethod>> METHODS =
      Map.of(DeepClean.NAME, DeepClean::new, HeldoutMatch.NAME, HeldoutMatch::new);

  /** Names of the methods that a ladder may list, sorted. */
  public static List<String> methods() {
    return METHODS.keySet().stream().sorted().toList();
  }

  /**
   * A method of its own, outside of a ladder.
   *
   * @throws UnlearningException when none has that name
   */
  public static UnlearningMethod method(String name) {
    if (!METHODS.containsKey(name)) {
      throw new UnlearningException(
          "unknown unlearning method %s; known are %s".formatted(name, methods()));
    }
    return METHODS.get(name).get();
  }

  /**
   * An anchor's Fisher sums.
   *
   * @param sums over the training samples that are not erased
   * @param seconds what they cost
   */
  public record Anchor(FisherDiagonal sums, StageSeconds seconds) {}

  /**
   * Sums squared gradients over a dataset at a model's weights.
   *
   * @param erased positions to leave out
   */
  public Anchor anchor(
      Path model, ModelFormat format, SampleDataset dataset, int[] erased, Progress progress) {
    progress.at(JobStage.LOAD, 0, 1);
    try (LoadedModel loaded = LoadedModel.load(model, format)) {
      Stopwatch watch = new Stopwatch();
      FisherDiagonal sums =
          new FisherComputer(loaded)
              .sum(dataset, Sampling.complement(dataset.size(), erased), progress);
      return new Anchor(sums, new StageSeconds(watch.lap(), 0.0, 0.0, 0.0));
    }
  }

  /**
   * Runs a job and writes the new model.
   *
   * @param progress what it throws ends the job; no file is left behind then
   * @throws UnlearningException when the request cannot be met as it is
   */
  public UnlearningResult unlearn(UnlearningRequest request, Progress progress) {
    check(request);
    progress.at(JobStage.LOAD, 0, 1);
    try (LoadedModel model = LoadedModel.load(request.anchor(), request.format());
        NDManager job = model.manager().newSubManager()) {
      return new Run(request, progress, model, job).run();
    }
  }

  private static void check(UnlearningRequest request) {
    for (String name : request.policy().getLadder()) {
      method(name);
    }
    if (request.policy().getLadder().isEmpty()) {
      throw new UnlearningException("the policy's ladder names no method");
    }
    int size = request.dataset().size();
    int[] all =
        IntStream.concat(Arrays.stream(request.batch()), Arrays.stream(request.erased())).toArray();
    if (request.batch().length == 0 || all.length >= size) {
      throw new UnlearningException(
          "a batch of %d of a dataset of %d, of which %d are erased"
              .formatted(request.batch().length, size, request.erased().length));
    }
    if (Arrays.stream(all).distinct().count() != all.length
        || Arrays.stream(all).anyMatch(index -> index < 0 || index >= size)) {
      throw new UnlearningException(
          "the positions of a batch and of what was erased must be distinct and in the dataset");
    }
    if (request.retainSums().samples() != size - request.erased().length
        || request.erasedSums().samples() < request.erased().length) {
      throw new UnlearningException(
          "Fisher sums over %d retained and %d erased samples for a dataset of %d with %d erased"
              .formatted(
                  request.retainSums().samples(),
                  request.erasedSums().samples(),
                  size,
                  request.erased().length));
    }
  }

  /** One job's state. */
  private static final class Run {
    private final UnlearningRequest request;
    private final Progress progress;
    private final LoadedModel model;
    private final NDManager job;
    private NDList startWeights;
    private final Stopwatch watch = new Stopwatch();
    private final int[] forget;
    private final int[] repairPool;
    private final Evaluator evaluator;
    private double methodSeconds;
    private double repairSeconds;
    private double evaluateSeconds;

    Run(UnlearningRequest request, Progress progress, LoadedModel model, NDManager job) {
      this.request = request;
      this.progress = progress;
      this.model = model;
      this.job = job;
      forget =
          IntStream.concat(Arrays.stream(request.batch()), Arrays.stream(request.erased()))
              .sorted()
              .toArray();
      JobSamples samples =
          new JobSamples(
              request.dataset(),
              request.holdout(),
              forget,
              request.erased(),
              request.targets(),
              request.seed());
      repairPool = samples.repairPool();
      evaluator = samples.evaluator();
    }

    UnlearningResult run() {
      watch.lap();
      FisherDiagonal batchFisher =
          new FisherComputer(model).sum(request.dataset(), request.batch(), progress);
      UnlearningTask task =
          new UnlearningTask(
              model,
              request.dataset(),
              forget,
              repairPool,
              request.retainSums().minus(batchFisher),
              request.erasedSums().plus(batchFisher),
              request.targets(),
              request.policy(),
              request.seed(),
              progress);
      double fisherSeconds = watch.lap();
      Evaluator.Measured before = measure(Optional.empty());
      // Squared gradients are of the anchor's weights; what a method changes may be a release.
      request.start().ifPresent(this::startFrom);
      startWeights = model.copyWeights(job);
      List<String> leftOut = new ArrayList<>();
      List<UnlearningMethod> ladder = new ArrayList<>();
      for (String name : request.policy().getLadder()) {
        UnlearningMethod rung = method(name);
        if (rung.canApply(task)) {
          ladder.add(rung);
        } else {
          leftOut.add(name);
        }
      }
      if (ladder.isEmpty()) {
        throw new UnlearningException(
            "no method of the ladder %s has what it needs".formatted(leftOut));
      }
      UnlearningMethod method = null;
      UnlearningMethod.Applied applied = null;
      Evaluator.Measured after = null;
      List<GateCheck> checks = List.of();
      for (UnlearningMethod rung : ladder) { // ESCALATE: the next one
        method = rung;
        model.assignWeights(startWeights);
        applied = method.apply(task);
        methodSeconds += applied.methodSeconds();
        repairSeconds += applied.repairSeconds();
        after = measure(Optional.of(before));
        checks = new Gate(request.policy().getGate()).check(before, after);
        if (Gate.passed(checks)) {
          break;
        }
      }
      NDList released = model.copyWeights(job);
      watch.lap();
      model.assignWeights(startWeights);
      UnlearningMethod control = method.control(applied);
      control.apply(task);
      Evaluation controlled = evaluator.measure(model, Optional.of(before), progress).evaluation();
      evaluateSeconds += watch.lap();
      progress.at(JobStage.STORE, 0, 1);
      model.assignWeights(released);
      model.write(request.output());
      return new UnlearningResult(
          batchFisher,
          method.name(),
          applied.selectedFraction(),
          before.evaluation(),
          after.evaluation(),
          controlled,
          control.name(),
          List.copyOf(leftOut),
          checks,
          Gate.verdict(checks, false),
          request.holdout().isPresent(),
          new StageSeconds(fisherSeconds, methodSeconds, repairSeconds, evaluateSeconds));
    }

    private void startFrom(Path file) {
      try (LoadedModel start = LoadedModel.load(file, request.format());
          NDManager scope = model.manager().newSubManager()) {
        model.assignWeights(start.copyWeights(scope));
      }
    }

    private Evaluator.Measured measure(Optional<Evaluator.Measured> parent) {
      watch.lap();
      Evaluator.Measured measured = evaluator.measure(model, parent, progress);
      evaluateSeconds += watch.lap();
      return measured;
    }
  }

  /** Wall time between laps. */
  private static final class Stopwatch {
    private long last = System.nanoTime();

    double lap() {
      long now = System.nanoTime();
      double seconds = (now - last) * 1e-9;
      last = now;
      return seconds;
    }
  }
}
