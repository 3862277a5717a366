package io.lethe.unlearning.method;

import io.lethe.events.UnlearningPolicy;
import io.lethe.unlearning.MethodCatalogue;
import io.lethe.unlearning.UnlearningException;
import io.lethe.unlearning.UnlearningMethod;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;

/** The built-in methods. */
public final class Methods implements MethodCatalogue {
  private record Known(Entry entry, Function<UnlearningPolicy, UnlearningMethod> factory) {}

  private final Map<String, Known> known = new TreeMap<>();

  public Methods() {
    // These have a record of the policy; the text by method name goes above it.
    known.put(
        DeepClean.NAME,
        new Known(
            new Entry(
                DeepClean.NAME,
                "zero the weights of the highest Fisher ratio, repair only those"
                    + " (arXiv 2311.10448)",
                ParameterText.of(DeepClean.Parameters.DEFAULT)),
            policy -> new DeepClean(DeepClean.Parameters.of(policy))));
    known.put(
        RandomMask.NAME,
        new Known(
            new Entry(
                RandomMask.NAME,
                "deepclean's control: as many weights, chosen at random (hyperparameters: those of"
                    + " deepclean)",
                "{}"),
            policy ->
                new RandomMask(new DeepClean(DeepClean.Parameters.of(policy, RandomMask.NAME)))));
    known.put(
        HeldoutMatch.NAME,
        new Known(
            new Entry(
                HeldoutMatch.NAME,
                "fine-tune toward held-out targets (after arXiv 2410.23232)",
                ParameterText.of(HeldoutMatchParameters.DEFAULT)),
            policy -> new HeldoutMatch(HeldoutMatchParameters.of(policy))));
    add(
        FineTune.NAME,
        "train on retained samples only: a baseline (arXiv 1911.04933)",
        FineTune.Parameters.DEFAULT,
        FineTune::new);
    add(
        NegGradPlus.NAME,
        "descend on retained and ascend on forget samples up to a hinge (arXiv 2302.09880)",
        NegGradPlus.Parameters.DEFAULT,
        NegGradPlus::new);
    add(
        MaskedSmallGradients.NAME,
        "draw convolution weights of small gradient anew, fine-tune (arXiv 2406.09073)",
        MaskedSmallGradients.Parameters.DEFAULT,
        MaskedSmallGradients::new);
    add(
        SelectiveDampening.NAME,
        "dampen the weights of the highest Fisher ratio (arXiv 2308.07707, 2402.10098)",
        SelectiveDampening.Parameters.DEFAULT,
        SelectiveDampening::new);
    add(
        Unsir.NAME,
        "whole classes: error-maximising noise, impair, repair; reads none of their samples"
            + " (arXiv 2111.08947)",
        Unsir.Parameters.DEFAULT,
        Unsir::new);
    add(
        Influence.NAME,
        "Newton update of a linear head (arXiv 1911.03030)",
        Influence.Parameters.DEFAULT,
        Influence::new);
    add(
        ProjectedGradient.NAME,
        "climb the forget loss outside of the retained inputs' space (arXiv 2312.04095)",
        ProjectedGradient.Parameters.DEFAULT,
        ProjectedGradient::new);
    add(
        PruneLora.NAME,
        "prune channels, train low-rank adapters on retained samples (arXiv 2411.11907)",
        PruneLora.Parameters.DEFAULT,
        PruneLora::new);
    add(
        ResidualLora.NAME,
        "low-rank adapters: zero residual features on retained, shifted on forget samples"
            + " (arXiv 2411.08443)",
        ResidualLora.Parameters.DEFAULT,
        ResidualLora::new);
    add(
        DatamodelMatching.NAME,
        "predict the retrained outputs by influence functions, fine-tune toward them"
            + " (arXiv 2410.23232)",
        DatamodelMatching.Parameters.DEFAULT,
        DatamodelMatching::new);
    // Its hyperparameters are the model's recipe.
    known.put(
        Retrain.NAME,
        new Known(
            new Entry(Retrain.NAME, "train from nothing on what is left (needs --recipe)", "{}"),
            policy -> {
              ParameterText.requireNone(policy, Retrain.NAME);
              return new Retrain();
            }));
  }

  private <P> void add(
      String name, String summary, P defaults, Function<P, UnlearningMethod> factory) {
    known.put(
        name,
        new Known(
            new Entry(name, summary, ParameterText.of(defaults)),
            policy -> factory.apply(ParameterText.read(policy, name, defaults))));
  }

  @Override
  public List<Entry> entries() {
    return known.values().stream().map(Known::entry).toList();
  }

  @Override
  public UnlearningMethod create(String name, UnlearningPolicy policy) {
    requireKnown(name);
    policy.getMethodParameters().keySet().forEach(this::requireKnown);
    return known.get(name).factory().apply(policy);
  }

  private void requireKnown(String name) {
    if (!known.containsKey(name)) {
      throw new UnlearningException(
          "unknown unlearning method %s; known are %s".formatted(name, known.keySet()));
    }
  }
}
