package io.lethe.unlearning;

import ai.djl.ndarray.NDArray;
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
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * What a worker does for a job, in one call.
 *
 * <p>Every release starts from the anchor's weights and forgets all samples erased since, so that a
 * job may be run again and gives the same bytes. Stateless and thread-safe.
 */
public final class UnlearningPipeline {
  private final MethodCatalogue methods;

  /** With the methods on the class path. */
  public UnlearningPipeline() {
    this(MethodCatalogue.installed());
  }

  UnlearningPipeline(MethodCatalogue methods) {
    this.methods = methods;
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
    List<UnlearningMethod> ladder = ladder(request);
    progress.at(JobStage.LOAD, 0, 1);
    try (LoadedModel model = LoadedModel.load(request.anchor(), request.format());
        NDManager job = model.manager().newSubManager()) {
      return new Run(request, progress, model, job).run(ladder);
    }
  }

  /**
   * Fails where {@link #unlearn} would as no method of the ladder has what it needs, or targets are
   * of other classes than the model's. Reads no samples to speak of: a caller asks before it pays
   * for Fisher sums over the dataset.
   *
   * @param request whose sums need only say over how many samples they are
   */
  public void requireMethods(UnlearningRequest request) {
    check(request);
    List<UnlearningMethod> ladder = ladder(request);
    try (LoadedModel model = LoadedModel.load(request.anchor(), request.format());
        NDManager job = model.manager().newSubManager()) {
      new Run(request, Progress.NONE, model, job).requireAny(ladder);
    }
  }

  private List<UnlearningMethod> ladder(UnlearningRequest request) {
    return request.policy().getLadder().stream()
        .map(name -> methods.create(name, request.policy()))
        .toList();
  }

  private static void check(UnlearningRequest request) {
    if (request.policy().getLadder().isEmpty()) {
      throw new UnlearningException("the policy's ladder names no method");
    }
    int size = request.dataset().size();
    int[] all =
        IntStream.concat(Arrays.stream(request.batch()), Arrays.stream(request.erased())).toArray();
    boolean nothing = request.batch().length == 0 && request.forgetClasses().isEmpty();
    if (nothing || all.length >= size) {
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
    private State start;
    private final Stopwatch watch = new Stopwatch();
    private final int[] forget;
    private final int[] repairPool;
    private final SampleSet unseen;
    private final Evaluator evaluator;
    private final Activations activations;
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
              request.forgetClasses(),
              request.erased(),
              request.erasedBefore(),
              request.targets(),
              request.seed());
      unseen = samples.unseen();
      request.targets().ifPresent(this::requireSameClasses);
      repairPool = samples.repairPool();
      evaluator = samples.evaluator();
      activations = new Activations(model);
    }

    UnlearningResult run(List<UnlearningMethod> named) {
      watch.lap();
      FisherDiagonal batchFisher =
          new FisherComputer(model).sum(request.dataset(), request.batch(), progress);
      UnlearningTask task =
          task(request.retainSums().minus(batchFisher), request.erasedSums().plus(batchFisher));
      double fisherSeconds = watch.lap();
      Evaluator.Measured before = measure(Optional.empty());
      // Squared gradients are of the anchor's weights; what a method changes may be a release.
      request.start().ifPresent(this::startFrom);
      start = State.of(model, job);
      Evaluator.Measured parent = request.start().isEmpty() ? before : measure(Optional.empty());
      List<UnlearningResult.LeftOut> leftOut = new ArrayList<>();
      List<UnlearningMethod> ladder = applicable(named, task, leftOut);
      List<UnlearningResult.Failed> failed = new ArrayList<>();
      Candidate made = climb(ladder, task, before, parent, failed);
      watch.lap();
      UnlearningMethod control = made.method().control(made.applied());
      Optional<Evaluation> controlled = control(control, task, parent, failed);
      double controlSeconds = watch.lap();
      evaluateSeconds += controlSeconds;
      progress.at(JobStage.STORE, 0, 1);
      made.state().restore(model);
      model.write(request.output());
      return new UnlearningResult(
          batchFisher,
          made.method().name(),
          made.applied().selectedFraction(),
          before.evaluation(),
          made.after().evaluation(),
          controlled,
          control.name(),
          List.copyOf(leftOut),
          List.copyOf(failed),
          made.applied().trials(),
          forgottenClasses(before, made.after()),
          made.checks(),
          Gate.verdict(made.checks(), false),
          request.holdout().isPresent(),
          new StageSeconds(fisherSeconds, methodSeconds, repairSeconds, evaluateSeconds),
          controlSeconds);
    }

    void requireAny(List<UnlearningMethod> named) {
      int batch = request.batch().length;
      UnlearningTask task =
          task(
              new FisherDiagonal(List.of(), request.retainSums().samples() - batch),
              new FisherDiagonal(List.of(), request.erasedSums().samples() + batch));
      applicable(named, task, new ArrayList<>());
    }

    private UnlearningTask task(FisherDiagonal retainSums, FisherDiagonal erasedSums) {
      return new UnlearningTask(
          model,
          request.dataset(),
          forget,
          request.forgetClasses(),
          repairPool,
          Optional.of(unseen),
          retainSums,
          erasedSums,
          request.erasedBefore().map(ErasedBefore::samples).orElse(0L),
          request.targets(),
          request.retraining(),
          request.policy(),
          request.seed(),
          progress,
          activations);
    }

    /**
     * The rungs that have what they need.
     *
     * @param leftOut takes the others
     */
    private static List<UnlearningMethod> applicable(
        List<UnlearningMethod> named, UnlearningTask task, List<UnlearningResult.LeftOut> leftOut) {
      List<UnlearningMethod> ladder = new ArrayList<>();
      for (UnlearningMethod rung : named) {
        rung.missing(task)
            .ifPresentOrElse(
                needs -> leftOut.add(new UnlearningResult.LeftOut(rung.name(), needs)),
                () -> ladder.add(rung));
      }
      if (ladder.isEmpty()) {
        throw new UnlearningException(
            "no method of the ladder has what it needs: "
                + leftOut.stream()
                    .map(left -> left.method() + " needs " + left.needs())
                    .collect(Collectors.joining("; ")));
      }
      return ladder;
    }

    /** What a rung made, whether or not its gate let it pass. */
    private record Candidate(
        UnlearningMethod method,
        UnlearningMethod.Applied applied,
        Evaluator.Measured after,
        List<GateCheck> checks,
        State state) {}

    /**
     * The first rung that passes the gate, or else the last that made anything.
     *
     * @param failed takes the rungs that made nothing
     */
    private Candidate climb(
        List<UnlearningMethod> ladder,
        UnlearningTask task,
        Evaluator.Measured before,
        Evaluator.Measured parent,
        List<UnlearningResult.Failed> failed) {
      Candidate last = null;
      for (UnlearningMethod rung : ladder) { // ESCALATE: the next one
        start.restore(model);
        UnlearningMethod.Applied applied;
        try {
          applied = rung.apply(task);
        } catch (UnlearningException e) {
          failed.add(new UnlearningResult.Failed(rung.name(), e.getMessage()));
          continue;
        }
        methodSeconds += applied.methodSeconds();
        repairSeconds += applied.repairSeconds();
        Evaluator.Measured after = measure(Optional.of(parent));
        List<GateCheck> checks = new Gate(request.policy().getGate()).check(before, after);
        if (last != null) {
          last.state().close();
        }
        last = new Candidate(rung, applied, after, checks, State.of(model, job));
        if (Gate.passed(checks)) {
          break;
        }
      }
      if (last == null) {
        throw new UnlearningException(
            "every method of the ladder failed: "
                + failed.stream()
                    .map(rung -> rung.method() + ": " + rung.reason())
                    .collect(Collectors.joining("; ")));
      }
      return last;
    }

    /** Measures the control; one that fails takes nothing from what was made. */
    private Optional<Evaluation> control(
        UnlearningMethod control,
        UnlearningTask task,
        Evaluator.Measured parent,
        List<UnlearningResult.Failed> failed) {
      start.restore(model);
      try {
        control.apply(task);
      } catch (UnlearningException e) {
        failed.add(new UnlearningResult.Failed(control.name(), e.getMessage()));
        return Optional.empty();
      }
      return Optional.of(
          evaluator.measure(model, activations, Optional.of(parent), progress).evaluation());
    }

    private static Optional<UnlearningResult.ForgottenClasses> forgottenClasses(
        Evaluator.Measured before, Evaluator.Measured after) {
      return after
          .ofClasses()
          .map(Evaluator.OfClasses::unseen)
          .filter(unseen -> unseen.hits().length > 0)
          .map(
              unseen ->
                  new UnlearningResult.ForgottenClasses(
                      unseen.hits().length,
                      before.ofClasses().orElseThrow().unseen().accuracy(),
                      unseen.accuracy()));
    }

    private void requireSameClasses(HeldOutTargets targets) {
      int outputs = CrossFit.outputs(model, request.dataset());
      if (targets.classes() != outputs) {
        throw new UnlearningException(
            "held-out targets of %d classes for a model of %d"
                .formatted(targets.classes(), outputs));
      }
    }

    private void startFrom(Path file) {
      try (LoadedModel start = LoadedModel.load(file, request.format());
          NDManager scope = model.manager().newSubManager()) {
        model.assignWeights(start.copyWeights(scope));
      }
    }

    private Evaluator.Measured measure(Optional<Evaluator.Measured> parent) {
      watch.lap();
      Evaluator.Measured measured = evaluator.measure(model, activations, parent, progress);
      evaluateSeconds += watch.lap();
      return measured;
    }
  }

  /** A copy of a model's weights and running statistics. */
  private record State(NDList weights, NDList buffers) implements AutoCloseable {
    @Override
    public void close() {
      weights.close();
      buffers.close();
    }

    static State of(LoadedModel model, NDManager owner) {
      NDList buffers = new NDList();
      for (LoadedModel.Weight buffer : model.buffers()) {
        NDArray copy = buffer.array().duplicate();
        copy.attach(owner);
        buffers.add(copy);
      }
      return new State(model.copyWeights(owner), buffers);
    }

    void restore(LoadedModel model) {
      model.assignWeights(weights);
      for (int i = 0; i < buffers.size(); i++) {
        buffers.get(i).copyTo(model.buffers().get(i).array());
      }
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
