package io.lethe.unlearning;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import io.lethe.dataset.SampleDataset;
import io.lethe.events.ClassMetrics;
import io.lethe.events.Evaluation;
import io.lethe.events.Interval;
import io.lethe.events.JobStage;
import io.lethe.events.SetMetrics;
import io.lethe.model.GradientMode;
import io.lethe.model.LoadedModel;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;

/**
 * Measures models on fixed samples: what they must forget, what they must keep, and what they never
 * saw. The same evaluator gives figures that may be compared, sample by sample.
 */
public final class Evaluator {
  private static final int BATCH = 256;
  private static final long BALANCE_SEED = 1;

  private final SampleDataset dataset;
  private final int[] forget;
  private final int[] retain;
  private final SampleDataset holdout;
  private final int[] holdoutSamples;
  private final BitSet earlier;
  private final Optional<ErasedBefore> before;
  private final Optional<HeldOutTargets> targets;
  private final Classes classes;

  /**
   * Whole classes that a model must have forgotten.
   *
   * @param labels empty where single samples are to be forgotten
   * @param unseen positions of their samples in the holdout set
   */
  @SuppressWarnings("ArrayRecordComponent") // lives for one evaluator
  record Classes(Set<Integer> labels, int[] unseen) {
    static final Classes NONE = new Classes(Set.of(), new int[0]);
  }

  /**
   * @param dataset the training dataset
   * @param forget positions in it that must be forgotten
   * @param retain positions in it that stay
   * @param holdout where the holdout samples lie, perhaps in {@code dataset} too
   * @param holdoutSamples positions in {@code holdout}
   */
  public Evaluator(
      SampleDataset dataset,
      int[] forget,
      int[] retain,
      SampleDataset holdout,
      int[] holdoutSamples) {
    this(
        dataset,
        forget,
        retain,
        holdout,
        holdoutSamples,
        new int[0],
        Optional.empty(),
        Optional.empty(),
        Classes.NONE);
  }

  /**
   * @param earlier those of {@code forget} that earlier batches erased
   * @param before what they erased where none of it is in {@code forget}
   * @param targets what models that never saw them say about forget samples, perhaps not about all
   */
  Evaluator(
      SampleDataset dataset,
      int[] forget,
      int[] retain,
      SampleDataset holdout,
      int[] holdoutSamples,
      int[] earlier,
      Optional<ErasedBefore> before,
      Optional<HeldOutTargets> targets,
      Classes classes) {
    this.dataset = dataset;
    this.classes = classes;
    this.forget = forget.clone();
    this.retain = retain.clone();
    this.holdout = holdout;
    this.holdoutSamples = holdoutSamples.clone();
    this.targets = targets;
    this.before = before;
    this.earlier = new BitSet();
    BitSet gone = new BitSet();
    Arrays.stream(earlier).forEach(gone::set);
    for (int i = 0; i < forget.length; i++) {
      this.earlier.set(i, gone.get(forget[i]));
    }
  }

  /**
   * What a model says about some samples.
   *
   * @param losses −log p(label), in nats
   * @param hits whether the likeliest class is the label
   */
  @SuppressWarnings("ArrayRecordComponent") // passed on within a measurement
  public record Scores(double[] losses, boolean[] hits) {
    /** Number of samples whose likeliest class is the label. */
    int correct() {
      int correct = 0;
      for (boolean hit : hits) {
        correct += hit ? 1 : 0;
      }
      return correct;
    }

    /** Share of samples whose likeliest class is the label; 0 of none. */
    public double accuracy() {
      return hits.length == 0 ? 0 : (double) correct() / hits.length;
    }

    /** Those of some of the samples. */
    Scores of(int[] indices) {
      double[] someLosses = new double[indices.length];
      boolean[] someHits = new boolean[indices.length];
      for (int i = 0; i < indices.length; i++) {
        someLosses[i] = losses[indices[i]];
        someHits[i] = hits[indices[i]];
      }
      return new Scores(someLosses, someHits);
    }

    /** Accuracy, mean loss and number of samples, with their intervals. */
    public SetMetrics metrics() {
      return SetMetrics.newBuilder()
          .setAccuracy(accuracy())
          .setLoss(Arrays.stream(losses).average().orElse(0))
          .setSamples(losses.length)
          .setAccuracyInterval(Intervals.wilson(correct(), losses.length))
          .setLossInterval(Intervals.mean(losses))
          .build();
    }
  }

  /**
   * What a model says about the samples of classes that it must have forgotten; none where there
   * are no such samples.
   *
   * @param forget those of the forget set
   * @param unseen those of the holdout set
   */
  public record OfClasses(Scores forget, Scores unseen) {}

  /**
   * What held-out targets say about the samples of a set.
   *
   * @param covered indices in the set of the samples that have a target; ascending
   * @param scores of these
   */
  @SuppressWarnings("ArrayRecordComponent") // passed on within a measurement
  public record Expected(int[] covered, Scores scores) {}

  /**
   * What a model says about samples that earlier batches erased.
   *
   * @param expected what held-out targets say about them, where any has one
   * @param apart whether they are no part of the forget set
   */
  public record OfEarlier(Scores scores, Optional<Expected> expected, boolean apart) {}

  /**
   * A model, measured sample by sample.
   *
   * @param expected what held-out targets say about the forget samples, where any has one
   * @param earlier about the samples that earlier batches erased, where any are there
   * @param retainLogP log-probabilities on the retain set (samples, classes), row-major
   * @param ofClasses where whole classes are to be forgotten
   */
  @SuppressWarnings("ArrayRecordComponent") // passed on within a job
  public record Measured(
      Evaluation evaluation,
      Scores forget,
      Scores retain,
      Scores holdout,
      Optional<Expected> expected,
      Optional<OfEarlier> earlier,
      double[] retainLogP,
      Optional<OfClasses> ofClasses) {
    /** With what {@link Relearning} found. */
    public Measured with(Relearning.Time time) {
      return new Measured(
          Evaluation.newBuilder(evaluation)
              .setRelearnSteps(time.steps())
              .setRelearnStepsInterval(time.interval())
              .build(),
          forget,
          retain,
          holdout,
          expected,
          earlier,
          retainLogP,
          ofClasses);
    }
  }

  /** As {@link #measure}, of a model that was unlearned from no other. */
  public Evaluation evaluate(LoadedModel model, Progress progress) {
    return measure(model, Optional.empty(), progress).evaluation();
  }

  /**
   * Everything but relearning, which changes weights.
   *
   * @param parent the model that it was unlearned from, measured by this evaluator
   */
  public Measured measure(LoadedModel model, Optional<Measured> parent, Progress progress) {
    return measure(model, of(model), parent, progress);
  }

  /** The same, where what lower layers say is kept from one measurement to the next. */
  Measured measure(
      LoadedModel model, Activations activations, Optional<Measured> parent, Progress progress) {
    activations.keep(
        dataset, IntStream.concat(Arrays.stream(forget), Arrays.stream(retain)).toArray());
    activations.keep(holdout, holdoutSamples);
    before
        .map(ErasedBefore::there)
        .ifPresent(there -> activations.keep(there.dataset(), there.positions()));
    return measure(model, activations::logits, parent, progress);
  }

  private Measured measure(
      LoadedModel model, Outputs outputs, Optional<Measured> parent, Progress progress) {
    long total = (long) forget.length + retain.length + holdoutSamples.length;
    double[] retainLogP = new double[retain.length * dataset.classes()];
    Scores onForget = score(model, outputs, dataset, forget, null, progress, 0, total);
    Scores onRetain =
        score(model, outputs, dataset, retain, retainLogP, progress, forget.length, total);
    Scores onHoldout =
        score(
            model,
            outputs,
            holdout,
            holdoutSamples,
            null,
            progress,
            (long) forget.length + retain.length,
            total);
    Optional<OfEarlier> ofEarlier = ofEarlier(model, outputs, onForget);
    Evaluation.Builder evaluation =
        Evaluation.newBuilder()
            .setForget(onForget.metrics())
            .setRetain(byClass(onRetain, dataset, retain))
            .setHoldout(byClass(onHoldout, holdout, holdoutSamples))
            .setTrueHoldout(holdout != dataset);
    Attack attack = Attack.balanced(onForget.losses(), onHoldout.losses());
    evaluation.setMembershipAuc(attack.auc()).setMembershipAucInterval(attack.interval());
    ofEarlier.ifPresent(
        of -> {
          Attack again = Attack.balanced(of.scores().losses(), onHoldout.losses());
          evaluation
              .setEarlier(of.scores().metrics())
              .setEarlierMembershipAuc(again.auc())
              .setEarlierMembershipAucInterval(again.interval());
        });
    parent.ifPresent(
        from -> {
          double[] kl = divergences(from.retainLogP(), retainLogP, dataset.classes());
          evaluation
              .setRetainDivergence(Arrays.stream(kl).average().orElse(0))
              .setRetainDivergenceInterval(Intervals.mean(kl));
        });
    return new Measured(
        evaluation.build(),
        onForget,
        onRetain,
        onHoldout,
        expected(targets, dataset, forget),
        ofEarlier,
        retainLogP,
        ofClasses(model, onForget));
  }

  private Optional<OfEarlier> ofEarlier(LoadedModel model, Outputs outputs, Scores onForget) {
    if (!earlier.isEmpty()) {
      int[] early = earlier.stream().toArray();
      int[] samples = Arrays.stream(early).map(i -> forget[i]).toArray();
      return Optional.of(
          new OfEarlier(onForget.of(early), expected(targets, dataset, samples), false));
    }
    return before
        .filter(all -> all.there().positions().length > 0)
        .map(
            all -> {
              SampleDataset data = all.there().dataset();
              int[] samples = all.there().positions();
              Scores scores =
                  score(model, outputs, data, samples, null, Progress.NONE, 0, samples.length);
              return new OfEarlier(scores, expected(all.targets(), data, samples), true);
            });
  }

  private Optional<OfClasses> ofClasses(LoadedModel model, Scores onForget) {
    if (classes.labels().isEmpty()) {
      return Optional.empty();
    }
    int[] labelled =
        IntStream.range(0, forget.length)
            .filter(i -> classes.labels().contains(dataset.label(forget[i])))
            .toArray();
    return Optional.of(
        new OfClasses(onForget.of(labelled), score(model, holdout, classes.unseen())));
  }

  /** The membership attack with as many forget as holdout samples. */
  record Attack(double auc, Interval interval) {
    /** The larger set is cut to the smaller's size, the same way for sets of the same sizes. */
    static Attack balanced(double[] forget, double[] holdout) {
      int size = Math.min(forget.length, holdout.length);
      double[] members = some(forget, size);
      double[] others = some(holdout, size);
      return new Attack(MembershipAuc.of(members, others), MembershipAuc.interval(members, others));
    }

    private static double[] some(double[] values, int size) {
      int[] all = IntStream.range(0, values.length).toArray();
      int[] chosen = Sampling.choose(all, size, BALANCE_SEED);
      return Arrays.stream(chosen).mapToDouble(i -> values[i]).toArray();
    }
  }

  private static SetMetrics byClass(Scores scores, SampleDataset dataset, int[] samples) {
    int[] hits = new int[dataset.classes()];
    int[] all = new int[dataset.classes()];
    for (int i = 0; i < samples.length; i++) {
      int label = dataset.label(samples[i]);
      all[label]++;
      hits[label] += scores.hits()[i] ? 1 : 0;
    }
    List<ClassMetrics> classes = new ArrayList<>();
    for (int label = 0; label < all.length; label++) {
      if (all[label] > 0) {
        classes.add(
            new ClassMetrics(
                label,
                (double) hits[label] / all[label],
                all[label],
                Intervals.wilson(hits[label], all[label])));
      }
    }
    return SetMetrics.newBuilder(scores.metrics()).setClasses(classes).build();
  }

  /** KL(p ‖ q) of each row, in nats. */
  static double[] divergences(double[] logP, double[] logQ, int classes) {
    double[] kl = new double[logP.length / classes];
    for (int i = 0; i < logP.length; i++) {
      kl[i / classes] += Math.exp(logP[i]) * (logP[i] - logQ[i]);
    }
    return kl;
  }

  private static Optional<Expected> expected(
      Optional<HeldOutTargets> targets, SampleDataset dataset, int[] set) {
    if (targets.isEmpty()) {
      return Optional.empty();
    }
    HeldOutTargets all = targets.get();
    int[] covered =
        IntStream.range(0, set.length).filter(i -> all.cover(new int[] {set[i]})).toArray();
    int[] samples = Arrays.stream(covered).map(i -> set[i]).toArray();
    return covered.length == 0
        ? Optional.empty()
        : Optional.of(new Expected(covered, expected(all, dataset, samples)));
  }

  private static Scores expected(HeldOutTargets targets, SampleDataset dataset, int[] samples) {
    float[] logits = targets.logits(samples);
    int classes = targets.classes();
    double[] losses = new double[samples.length];
    boolean[] hits = new boolean[samples.length];
    for (int s = 0; s < samples.length; s++) {
      int best = 0;
      for (int c = 1; c < classes; c++) {
        best = logits[s * classes + c] > logits[s * classes + best] ? c : best;
      }
      double most = logits[s * classes + best];
      double sum = 0;
      for (int c = 0; c < classes; c++) {
        sum += Math.exp(logits[s * classes + c] - most);
      }
      int label = dataset.label(samples[s]);
      losses[s] = most + Math.log(sum) - logits[s * classes + label];
      hits[s] = best == label;
    }
    return new Scores(losses, hits);
  }

  /** Losses and hits of a model on samples, in eval mode. */
  public static Scores score(LoadedModel model, SampleDataset dataset, int[] samples) {
    return score(model, of(model), dataset, samples, null, Progress.NONE, 0, samples.length);
  }

  /** A model's logits (samples, outputs) on samples of a dataset. */
  private interface Outputs {
    NDArray of(SampleDataset dataset, int[] samples, NDManager scope);
  }

  private static Outputs of(LoadedModel model) {
    return (dataset, samples, scope) ->
        model.logits(dataset.batch(scope, samples).get(0).toType(model.dataType(), false));
  }

  /**
   * @param logP takes log-probabilities (samples, classes); null: nobody wants them
   */
  private static Scores score(
      LoadedModel model,
      Outputs outputs,
      SampleDataset dataset,
      int[] samples,
      double[] logP,
      Progress progress,
      long done,
      long total) {
    double[] losses = new double[samples.length];
    boolean[] hits = new boolean[samples.length];
    try (GradientMode off = GradientMode.off()) {
      for (int from = 0; from < samples.length; from += BATCH) {
        int[] batch = Arrays.copyOfRange(samples, from, Math.min(samples.length, from + BATCH));
        try (NDManager scope = model.manager().newSubManager()) {
          NDArray labels = scope.create(Arrays.stream(batch).mapToLong(dataset::label).toArray());
          NDArray logits = outputs.of(dataset, batch, scope);
          double[] loss =
              CrossEntropy.perSample(logits, labels)
                  .toType(DataType.FLOAT64, false)
                  .toDoubleArray();
          System.arraycopy(loss, 0, losses, from, loss.length);
          boolean[] hit = logits.argMax(1).eq(labels).toBooleanArray();
          System.arraycopy(hit, 0, hits, from, hit.length);
          if (logP != null) {
            // A model may have more outputs than the dataset has classes; those hold no sample.
            double[] rows =
                logits
                    .logSoftmax(1)
                    .get(":, :" + dataset.classes())
                    .toType(DataType.FLOAT64, false)
                    .toDoubleArray();
            System.arraycopy(rows, 0, logP, from * dataset.classes(), rows.length);
          }
        }
        progress.at(JobStage.EVALUATE, done + from + batch.length, total);
      }
    }
    return new Scores(losses, hits);
  }
}
