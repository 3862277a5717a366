package io.lethe.worker;

import io.lethe.artifact.Artifact;
import io.lethe.dataset.SampleDataset;
import io.lethe.events.Evaluation;
import io.lethe.events.FisherUpdateKind;
import io.lethe.events.ReleaseMode;
import io.lethe.events.ResolvedClass;
import io.lethe.events.SearchTrial;
import io.lethe.events.UnlearningJob;
import io.lethe.events.UnlearningPolicy;
import io.lethe.events.Verdict;
import io.lethe.fisher.FisherSums;
import io.lethe.heldout.ForgetSetUnavailableException;
import io.lethe.heldout.HeldOutRows;
import io.lethe.model.LoadedModel;
import io.lethe.state.ForgetSet;
import io.lethe.unlearning.CrossFit;
import io.lethe.unlearning.ErasedBefore;
import io.lethe.unlearning.HeldOutTargets;
import io.lethe.unlearning.JobSamples;
import io.lethe.unlearning.Progress;
import io.lethe.unlearning.SampleSet;
import io.lethe.unlearning.UnlearningMethod;
import io.lethe.unlearning.UnlearningPipeline;
import io.lethe.unlearning.UnlearningRequest;
import io.lethe.unlearning.UnlearningResult;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * Makes a model version without a batch of samples.
 *
 * <p>From the anchor, forgetting all that was erased since; or from the last release, forgetting
 * the batch only, where the policy says so, where the source has deleted samples that were erased
 * since the anchor (what is not there cannot be forgotten again), and where whole classes are or
 * were to be forgotten: the methods for classes do not forget single samples, nor the other way
 * round, so that each would bring back from the anchor what the other has forgotten.
 */
final class UnlearnRun {
  private final JobInputs inputs;
  private final Outcomes outcomes;
  private final UnlearningJob job;

  UnlearnRun(JobInputs inputs, Outcomes outcomes) {
    this.inputs = inputs;
    this.outcomes = outcomes;
    this.job = inputs.job();
  }

  JobResult run(UnlearningPipeline pipeline, Path output) {
    UnlearningPolicy policy = ladder();
    if (policy.getLadder().isEmpty()) {
      return new JobResult(outcomes.of(job, Verdict.ESCALATE).build());
    }
    ForgetSet known = inputs.forgetSet();
    if (known.getErased().size() != job.getErasedSamples()) {
      throw new ForgetSetUnavailableException(
          "the stores know %d erased samples, the job %d"
              .formatted(known.getErased().size(), job.getErasedSamples()),
          null);
    }
    JobData data = new JobData(inputs, known);
    if (job.getAnchorReturned() && !job.getGateOverridden()) {
      Set<String> toForget = toForget(known);
      long missing = missing(data.whole(), toForget);
      if (missing > 0) {
        return known(missing, toForget.size());
      }
    }
    final FisherSums sums = inputs.sums();
    SampleDataset anchored = data.anchored();
    int[] erased = JobInputs.present(anchored, known.getErased());
    boolean chained =
        job.getParentUri().isPresent()
            && (policy.getMode() == ReleaseMode.CHAINED
                || erased.length < known.getErased().size()
                || !job.getClasses().isEmpty()
                || !known.getErasedClasses().isEmpty());
    SampleDataset dataset = chained ? data.unerased() : anchored;
    Optional<ErasedBefore> before =
        chained ? Optional.of(before(anchored, erased, known, sums)) : Optional.empty();
    List<ResolvedClass> classes = ForgottenClasses.resolve(data.unerased(), job.getClasses());
    int[] batch = batch(dataset, classes);
    Optional<SampleDataset> holdout = data.holdout();
    Set<Integer> labels = labels(data.whole());
    if (batch.length == 0 && !isGone(data.whole(), labels)) {
      return nothingLeft(dataset, holdout, chained ? new int[0] : erased, before, classes, sums);
    }
    UnlearningResult result =
        pipeline.unlearn(
            new UnlearningRequest(
                inputs.anchor(),
                job.getFormat(),
                dataset,
                holdout,
                batch,
                chained ? new int[0] : erased,
                sums.retained(),
                chained ? sums.erased().zero() : sums.erased(),
                targets(dataset, known),
                chained ? inputs.parent() : Optional.empty(),
                before,
                labels,
                Optional.empty(),
                policy,
                policy.getSeed(),
                output),
            inputs.progress());
    return result(result, inputs.artifacts().put(output), classes);
  }

  /**
   * What the last release has forgotten, as far as it can be measured. Not on samples of a class
   * that was forgotten whole: of those it is expected to know nothing, of others as much as a model
   * that never saw them.
   */
  private ErasedBefore before(
      SampleDataset anchored, int[] erased, ForgetSet known, FisherSums sums) {
    Set<Integer> gone = new HashSet<>(ForgottenClasses.labels(known.getErasedClasses()));
    gone.addAll(ForgottenClasses.labels(job.getClasses()));
    int[] there =
        Arrays.stream(erased).filter(index -> !gone.contains(anchored.label(index))).toArray();
    return new ErasedBefore(
        sums.erased().samples(), new SampleSet(anchored, there), targets(anchored, known));
  }

  /**
   * Whether the source has deleted the samples of a class that the anchor may have been trained on.
   * Of what is carried over it has deleted them before: then the anchor never knew them, unless it
   * is an artifact from before.
   */
  private boolean isGone(SampleDataset whole, Set<Integer> labels) {
    return (!job.getCarriedOver() || job.getAnchorReturned())
        && labels.stream()
            .anyMatch(
                label -> ForgottenClasses.samples(whole, Set.of(label), id -> true).isEmpty());
  }

  /**
   * The labels of the job's classes that the anchor tells apart from others: also those of which
   * the source has deleted every sample, the last ones among them.
   */
  private Set<Integer> labels(SampleDataset whole) {
    if (job.getClasses().isEmpty()) {
      return Set.of();
    }
    try (LoadedModel anchor = LoadedModel.load(inputs.anchor(), job.getFormat())) {
      int outputs = CrossFit.outputs(anchor, whole);
      return ForgottenClasses.labels(job.getClasses()).stream()
          .filter(label -> label < outputs)
          .collect(Collectors.toUnmodifiableSet());
    }
  }

  /** The job's policy with the ladder for what it forgets, without the rung that trains anew. */
  private UnlearningPolicy ladder() {
    UnlearningPolicy policy = job.getPolicy();
    List<String> ladder = new ArrayList<>(namedLadder());
    ladder.remove(RetrainRun.METHOD);
    return UnlearningPolicy.newBuilder(policy).setLadder(ladder).build();
  }

  private List<String> namedLadder() {
    UnlearningPolicy policy = job.getPolicy();
    return job.getClasses().isEmpty() ? policy.getLadder() : policy.getClassLadder();
  }

  /**
   * What an older artifact that has come back has yet to forget: also by the jobs after this one,
   * as what this one makes of it is served until then.
   */
  private Set<String> toForget(ForgetSet known) {
    Set<String> ids = new HashSet<>(known.getCarried());
    ids.addAll(job.getSampleIds());
    known.getErased().forEach(ids::remove);
    return ids;
  }

  private static long missing(SampleDataset dataset, Set<String> ids) {
    return ids.stream().filter(id -> dataset.indexOf(id).isEmpty()).count();
  }

  /**
   * Positions of the samples to forget. A sample that the dataset lacks cannot be unlearned by a
   * method that reads it, and a release must not claim it: that is an error, not a sample to be
   * passed over, but where it was erased under an earlier anchor. An anchor that is older than the
   * erasure is seen to before.
   *
   * @throws UnknownSamplesException when it lacks one
   */
  private int[] batch(SampleDataset dataset, List<ResolvedClass> classes) {
    List<String> ids = new ArrayList<>(job.getSampleIds());
    classes.forEach(of -> ids.addAll(of.getSampleIds()));
    int[] positions = JobInputs.present(dataset, ids);
    if (positions.length < ids.size() && !job.getCarriedOver()) {
      List<String> unknown = ids.stream().filter(id -> dataset.indexOf(id).isEmpty()).toList();
      throw new UnknownSamplesException(unknown, ids.size());
    }
    return positions;
  }

  private static Optional<HeldOutTargets> targets(SampleDataset dataset, ForgetSet known) {
    if (known.getClasses() == 0) {
      return Optional.empty();
    }
    int classes = known.getClasses();
    List<String> ids = known.getTargetIds();
    float[] all = HeldOutRows.floats(known.getLogits());
    int[] samples = new int[ids.size()];
    int found = 0;
    for (int i = 0; i < samples.length; i++) {
      OptionalInt position = dataset.indexOf(ids.get(i));
      if (position.isPresent()) {
        samples[found] = position.getAsInt();
        System.arraycopy(all, i * classes, all, found * classes, classes);
        found++;
      }
    }
    return Optional.of(
        HeldOutTargets.of(
            classes, Arrays.copyOf(samples, found), Arrays.copyOf(all, found * classes)));
  }

  private JobResult result(
      UnlearningResult result, Artifact artifact, List<ResolvedClass> classes) {
    // A person's release stands over the gate, whose checks stay on record as they came out.
    boolean passed = result.verdict() == Verdict.RELEASE || job.getGateOverridden();
    Optional<String> objection = Outcomes.objection(job, artifact);
    boolean released = passed && objection.isEmpty();
    return new JobResult(
        outcomes
            .of(job, released ? Verdict.RELEASE : refused(result, objection.isPresent()))
            .setError(objection.orElse(null))
            .setFisherSamples(released ? Math.toIntExact(result.batchFisher().samples()) : 0)
            .setArtifactUri(artifact.uri().toString())
            .setArtifactSha256(artifact.sha256())
            .setMethod(result.method())
            .setSelectedFraction(result.selectedFraction())
            .setBefore(result.before())
            .setAfter(result.after())
            .setControl(result.control().orElse(null))
            .setChecks(result.checks())
            .setLeftOut(result.leftOut().stream().map(UnlearningResult.LeftOut::method).toList())
            .setPassedOver(passedOver(result))
            .setTrials(result.trials().stream().map(UnlearnRun::trial).toList())
            .setResolvedClasses(classes)
            .setSeconds(result.seconds())
            .build(),
        released
            ? Optional.of(new JobResult.Update(FisherUpdateKind.SUBTRACT, result.batchFisher()))
            : Optional.empty(),
        Optional.empty());
  }

  private static Map<String, String> passedOver(UnlearningResult result) {
    Map<String, String> reasons = new TreeMap<>();
    result.leftOut().forEach(rung -> reasons.put(rung.method(), "needs " + rung.needs()));
    result.failed().forEach(rung -> reasons.put(rung.method(), "failed: " + rung.reason()));
    return reasons;
  }

  private static SearchTrial trial(UnlearningMethod.Trial trial) {
    return new SearchTrial(
        trial.share(), trial.forgetGap(), trial.retainDrop(), trial.kept(), trial.chosen());
  }

  private Verdict refused(UnlearningResult result, boolean unseen) {
    if (unseen) {
      return Verdict.HOLD;
    }
    return canBeTrainedAnew() ? Verdict.ESCALATE : result.verdict();
  }

  private boolean canBeTrainedAnew() {
    return namedLadder().contains(RetrainRun.METHOD) && job.getRecipe().isPresent();
  }

  /**
   * An older artifact that has come back: it was trained on what the source has deleted since,
   * which no method that reads it can make it forget.
   */
  private JobResult known(long missing, int all) {
    return new JobResult(
        outcomes
            .of(job, canBeTrainedAnew() ? Verdict.ESCALATE : Verdict.HOLD)
            .setError(
                ("the artifact is from before an erasure, and the dataset lacks %d of %d samples"
                        + " that it must forget: train it anew, or register one that never knew them")
                    .formatted(missing, all))
            .build());
  }

  /** Of what the job names the model was trained on nothing: what it has is released as it is. */
  private JobResult nothingLeft(
      SampleDataset dataset,
      Optional<SampleDataset> holdout,
      int[] erased,
      Optional<ErasedBefore> before,
      List<ResolvedClass> classes,
      FisherSums sums) {
    Path current = inputs.parent().orElseGet(inputs::anchor);
    Evaluation evaluation;
    try (LoadedModel model = LoadedModel.load(current, job.getFormat())) {
      evaluation =
          new JobSamples(
                  dataset,
                  holdout,
                  erased,
                  Set.of(),
                  new int[0],
                  before,
                  Optional.empty(),
                  job.getPolicy().getSeed())
              .evaluator()
              .evaluate(model, Progress.NONE);
    }
    return new JobResult(
        outcomes
            .of(job, Verdict.RELEASE)
            .setArtifactUri(job.getParentUri().orElse(job.getAnchorUri()))
            .setArtifactSha256(job.getParentSha256().orElse(job.getAnchorSha256()))
            .setMethod("none")
            .setSelectedFraction(0.0)
            .setBefore(evaluation)
            .setAfter(evaluation)
            .setResolvedClasses(classes)
            .build(),
        Optional.of(new JobResult.Update(FisherUpdateKind.SUBTRACT, sums.retained().zero())),
        Optional.empty());
  }
}
