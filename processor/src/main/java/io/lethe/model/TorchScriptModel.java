package io.lethe.model;

import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.engine.PtSymbolBlock;
import ai.djl.pytorch.jni.IValueUtils;
import ai.djl.pytorch.jni.JniUtils;
import io.lethe.events.ModelFormat;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * A scripted or traced PyTorch module, from a file of {@code torch.jit.save} and back to one.
 *
 * <p>Parameters have the names that they have in Python. Running statistics are not exposed; they
 * stay bit for bit but in {@link #trainingLogits}, and what that moved is had back only by loading
 * the file again.
 *
 * <p>Never run by {@code Block.forward}: after a {@code forward(training=false)} DJL lets a {@code
 * forward(training=true)} switch the module to training mode, which moves the statistics. Here the
 * module's mode and the recording of gradients (see {@link GradientMode}) are set apart.
 */
public final class TorchScriptModel extends LoadedModel {
  /** How far a sample's outputs may move with its minibatch, as a share of the largest. */
  private static final double BATCH_TOLERANCE = 1e-3;

  private final Path file;
  private final PtNDManager manager;
  private final PtSymbolBlock module;
  private final List<Weight> weights = new ArrayList<>();
  private final List<Boolean> trainable = new ArrayList<>();
  private final boolean fixedToEval;
  private boolean checked;

  private TorchScriptModel(Path file, PtNDManager manager, boolean fixedToEval) {
    this.file = file;
    this.manager = manager;
    this.fixedToEval = fixedToEval;
    module = open(file, manager);
    for (NDArray parameter : JniUtils.moduleGetParams(module, manager)) {
      weights.add(new Weight(parameter.getName(), parameter));
      trainable.add(parameter.hasGradient());
      parameter.setName(null); // DJL takes an array whose name has a dot for a map's entry
      parameter.setRequiresGradient(false);
    }
  }

  static TorchScriptModel load(Path file) {
    TorchScriptArchive archive = TorchScriptArchive.read(file);
    if (archive.isFixedToTraining()) {
      throw new ModelException(
          file
              + ": traced in training mode, so that its BatchNorm or dropout never leaves it: call"
              + " model.eval() before torch.jit.trace");
    }
    PtNDManager manager = (PtNDManager) Devices.newManager();
    try {
      TorchScriptModel model = new TorchScriptModel(file, manager, archive.isFixedToEval());
      if (model.weights.isEmpty()) {
        throw new ModelException(
            file + ": has no parameters: save the module before torch.jit.freeze");
      }
      return model;
    } catch (RuntimeException e) {
      manager.close();
      throw e;
    }
  }

  /**
   * Loads a module in eval mode; the manager frees it.
   *
   * @throws ModelException in one line, when PyTorch refuses it
   */
  public static PtSymbolBlock open(Path file, PtNDManager manager) {
    try {
      PtSymbolBlock module =
          JniUtils.loadModule(manager, file, true, new String[0], new String[0], true);
      JniUtils.enableInferenceMode(module);
      return module;
    } catch (EngineException | IllegalStateException | IllegalArgumentException e) {
      throw new ModelException(
          "%s: PyTorch cannot load it: %s".formatted(file, firstLine(e.getMessage())), e);
    }
  }

  @Override
  public ModelFormat format() {
    return ModelFormat.TORCHSCRIPT;
  }

  @Override
  public NDManager manager() {
    return manager;
  }

  @Override
  public List<Weight> weights() {
    return List.copyOf(weights);
  }

  /** None: TorchScript does not expose them. */
  @Override
  public List<Weight> buffers() {
    return List.of();
  }

  /**
   * {@inheritDoc}
   *
   * @throws ModelException on the first call, when the module is not a function of each sample
   */
  @Override
  public NDArray logits(NDArray x) {
    if (!checked) {
      check(x);
    }
    return run(x);
  }

  /**
   * {@inheritDoc}
   *
   * @throws ModelException when tracing has fixed the module to eval mode
   */
  @Override
  public NDArray trainingLogits(NDArray x) {
    if (fixedToEval) {
      throw new ModelException(
          file
              + ": traced, so that its BatchNorm and dropout stay in eval mode: to be trained it"
              + " must come from torch.jit.script");
    }
    JniUtils.enableTrainingMode(module);
    try {
      return run(x);
    } finally {
      JniUtils.enableInferenceMode(module);
    }
  }

  private NDArray run(NDArray x) {
    NDList outputs;
    try {
      outputs = IValueUtils.forward(module, new NDList(x), true);
    } catch (EngineException e) {
      throw new ModelException(
          "%s: does not run on input of shape %s: %s"
              .formatted(file, x.getShape(), lastLine(e.getMessage())),
          e);
    }
    if (outputs.size() != 1
        || outputs.get(0).getShape().dimension() != 2
        || outputs.get(0).getShape().get(0) != x.getShape().get(0)) {
      throw new ModelException(
          "%s: its output is not one array (batch, classes) but %s"
              .formatted(file, outputs.stream().map(NDArray::getShape).toList()));
    }
    return outputs.get(0);
  }

  /**
   * What tracing or scripting may have fixed and the source does not show: run twice, alone and
   * beside another sample, the first sample's outputs must be the same, and no statistic may move.
   */
  private void check(NDArray x) {
    Map<String, Long> before = tensorChecksums();
    try (NDManager scope = x.getManager().newSubManager();
        GradientMode off = GradientMode.off()) {
      NDArray one = x.get(new NDIndex("0:1"));
      one.attach(scope);
      double[] besides = outputs(NDArrays.concat(new NDList(one, one.mul(0.5).add(0.25))));
      double[] alone;
      try {
        alone = outputs(one);
      } catch (ModelException e) {
        throw noFunctionOfTheSample();
      }
      double[] again = outputs(one);
      double largest = 0;
      double difference = 0;
      for (int c = 0; c < alone.length; c++) {
        largest = Math.max(largest, Math.abs(alone[c]));
        difference =
            Math.max(
                difference,
                Math.max(Math.abs(alone[c] - again[c]), Math.abs(alone[c] - besides[c])));
      }
      if (!Double.isFinite(largest)) {
        return; // its loss will be refused
      }
      if (difference > BATCH_TOLERANCE * largest || !before.equals(tensorChecksums())) {
        throw noFunctionOfTheSample();
      }
    }
    checked = true;
  }

  private ModelException noFunctionOfTheSample() {
    return new ModelException(
        file
            + ": its outputs in eval mode change from run to run or with the rest of the"
            + " minibatch: it was exported in training mode, or has BatchNorm without running"
            + " statistics");
  }

  private double[] outputs(NDArray x) {
    NDArray logits = run(x);
    return logits.get(0).toType(DataType.FLOAT64, false).toDoubleArray();
  }

  private Map<String, Long> tensorChecksums() {
    try {
      Path copy = Files.createTempFile("lethe-", ".pt");
      try {
        writeTo(copy);
        return TorchScriptArchive.read(copy).tensorChecksums();
      } finally {
        Files.deleteIfExists(copy);
      }
    } catch (IOException e) {
      throw new ModelException(file + ": cannot be copied: " + e.getMessage(), e);
    }
  }

  /**
   * {@inheritDoc} So it is for what was loaded from the same file; PyTorch prints the code of a
   * file that it wrote itself a little differently. Files added by {@code _extra_files} are not
   * kept.
   */
  @Override
  public void write(Path target) {
    try {
      setRequiresGradient(true);
      writeTo(target);
    } catch (IOException e) {
      throw new ModelException("%s: cannot be written: %s".formatted(target, e.getMessage()), e);
    } finally {
      setRequiresGradient(false);
    }
  }

  /** A file says of each parameter whether it asks for a gradient: as it did in the original. */
  private void setRequiresGradient(boolean asLoaded) {
    for (int i = 0; i < weights.size(); i++) {
      weights.get(i).array().setRequiresGradient(asLoaded && trainable.get(i));
    }
  }

  private void writeTo(Path target) throws IOException {
    try (OutputStream out = Files.newOutputStream(target)) {
      JniUtils.writeModule(module, out, false);
    }
  }

  private static String firstLine(String message) {
    return message == null ? "" : message.lines().findFirst().orElse("");
  }

  /** PyTorch's own reason stands below the module's stack. */
  private static String lastLine(String message) {
    return message == null
        ? ""
        : message.lines().filter(line -> !line.isBlank()).reduce((a, b) -> b).orElse("").strip();
  }
}
