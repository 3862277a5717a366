package io.lethe.bench;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lethe.model.LoadedModel;
import io.lethe.unlearning.Evaluator;
import io.lethe.unlearning.MembershipAuc;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Random;
import java.util.stream.IntStream;

/**
 * Measures models of one trial on the same samples: all forget and holdout, 5,000 retained ones.
 */
final class Yardstick {
  private static final int RETAIN_SAMPLES = 5_000;

  private final ErasureData data;
  private final int[] forget;
  private final int[] retain;
  private final int[] holdout;

  /**
   * @param forget positions in the training data
   * @param erased positions in it that are neither measured nor retained, besides {@code forget}
   */
  Yardstick(ErasureData data, int[] forget, int[] erased, long seed) {
    this.data = data;
    this.forget = forget.clone();
    BitSet gone = new BitSet();
    Arrays.stream(forget).forEach(gone::set);
    Arrays.stream(erased).forEach(gone::set);
    int[] retained =
        IntStream.range(0, data.train().size()).filter(index -> !gone.get(index)).toArray();
    Random random = new Random(seed);
    retain =
        random
            .ints(0, retained.length)
            .distinct()
            .limit(Math.min(RETAIN_SAMPLES, retained.length))
            .map(i -> retained[i])
            .sorted()
            .toArray();
    holdout = IntStream.range(0, data.holdout().size()).toArray();
  }

  /**
   * A model, measured. Accuracies are shares; {@code NaN} where there is nothing to measure on.
   *
   * @param auc area under the ROC curve of the attack that tells forget from holdout samples by
   *     loss
   * @param changed accuracy on forget samples with a changed label: what is remembered
   * @param changedAuc the attack on samples with a changed label alone
   */
  record Measured(
      double forget,
      double retain,
      double holdout,
      double forgetLoss,
      double auc,
      double changed,
      double changedAuc) {

    /**
     * ToW (Zhao et al. 2024, arXiv 2406.01257): product over forget, retain and holdout of 1 −
     * |difference of accuracies|.
     */
    double tow(Measured reference) {
      return (1 - Math.abs(forget - reference.forget))
          * (1 - Math.abs(retain - reference.retain))
          * (1 - Math.abs(holdout - reference.holdout));
    }

    ObjectNode toJson() {
      ObjectNode json = JsonNodeFactory.instance.objectNode();
      json.put("forgetAccuracy", forget);
      json.put("retainAccuracy", retain);
      json.put("holdoutAccuracy", holdout);
      json.put("forgetLoss", forgetLoss);
      json.put("membershipAuc", auc);
      if (!Double.isNaN(changed)) {
        json.put("changedAccuracy", changed);
        json.put("changedMembershipAuc", changedAuc);
      }
      return json;
    }
  }

  Measured measure(LoadedModel model) {
    Evaluator.Scores onForget = Evaluator.score(model, data.train(), forget);
    Evaluator.Scores onHoldout = Evaluator.score(model, data.holdout(), holdout);
    int[] changed = which(forget, data.changed());
    int[] changedHoldout = which(holdout, data.holdoutChanged());
    return new Measured(
        onForget.accuracy(),
        Evaluator.score(model, data.train(), retain).accuracy(),
        onHoldout.accuracy(),
        Arrays.stream(onForget.losses()).average().orElse(Double.NaN),
        MembershipAuc.of(onForget.losses(), onHoldout.losses()),
        changed.length == 0 ? Double.NaN : share(onForget.hits(), changed),
        changed.length == 0
            ? Double.NaN
            : MembershipAuc.of(
                pick(onForget.losses(), changed), pick(onHoldout.losses(), changedHoldout)));
  }

  private static int[] which(int[] samples, BitSet wanted) {
    return IntStream.range(0, samples.length).filter(i -> wanted.get(samples[i])).toArray();
  }

  private static double[] pick(double[] values, int[] indices) {
    return Arrays.stream(indices).mapToDouble(i -> values[i]).toArray();
  }

  private static double share(boolean[] hits, int[] indices) {
    return Arrays.stream(indices).filter(i -> hits[i]).count() / (double) indices.length;
  }
}
