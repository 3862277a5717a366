package io.lethe.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import ai.djl.training.ParameterStore;
import ai.djl.training.initializer.Initializer;
import ai.djl.util.Pair;
import io.lethe.events.ModelFormat;
import io.lethe.fisher.Safetensors;
import io.lethe.fisher.SafetensorsFile;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * A DJL block with its weights.
 *
 * <p>The artifact is one safetensors file: parameters and running statistics in the block's order,
 * and the block recipe as metadata {@code recipe}, so that one digest covers both.
 */
public final class DjlModel extends LoadedModel {
  private static final String RECIPE = "recipe";

  private final NDManager manager;
  private final Block block;
  private final BlockRecipe recipe;
  private final ParameterStore store;
  private final List<Weight> weights = new ArrayList<>();
  private final List<Weight> buffers = new ArrayList<>();
  private final List<Weight> all = new ArrayList<>();

  private DjlModel(NDManager manager, Block block, BlockRecipe recipe) {
    this.manager = manager;
    this.block = block;
    this.recipe = recipe;
    store = new ParameterStore(manager, false);
    Map<Parameter, String> names = names(block);
    for (Map.Entry<Parameter, String> entry : names.entrySet()) {
      Parameter parameter = entry.getKey();
      Weight weight = new Weight(entry.getValue(), parameter.getArray());
      weight.array().setRequiresGradient(false);
      all.add(weight);
      (parameter.requiresGradient() ? weights : buffers).add(weight);
    }
  }

  /**
   * {@code 03conv1_weight} is {@code conv1.weight}: DJL numbers a block's children. Where that is
   * not unique the numbers stay. A parameter that is used twice keeps its first name.
   */
  private static Map<Parameter, String> names(Block block) {
    Map<Parameter, String> raw = new LinkedHashMap<>();
    for (Pair<String, Parameter> pair : block.getParameters()) {
      raw.putIfAbsent(pair.getValue(), pair.getKey());
    }
    Map<Parameter, String> readable = new LinkedHashMap<>();
    raw.forEach(
        (parameter, name) ->
            readable.put(
                parameter,
                Arrays.stream(name.split("_"))
                    .map(part -> part.matches("\\d\\d\\D.*") ? part.substring(2) : part)
                    .collect(Collectors.joining("."))));
    boolean unique = Set.copyOf(readable.values()).size() == raw.size();
    return unique ? readable : raw;
  }

  /** A new model with seeded random weights of the given type. */
  public static DjlModel create(BlockRecipe recipe, long seed, DataType type) {
    return create(Architectures.build(recipe), recipe.inputShape(), recipe, seed, type);
  }

  /** Any block, for computing on it; without a recipe it cannot be written. */
  public static DjlModel of(Block block, Shape sample, long seed, DataType type) {
    return create(block, sample, null, seed, type);
  }

  private static DjlModel create(
      Block block, Shape sample, BlockRecipe recipe, long seed, DataType type) {
    Random random = new Random(seed);
    block.setInitializer(
        (manager, shape, dataType) -> gaussian(random, manager, shape, dataType),
        Parameter.Type.WEIGHT);
    return initialise(block, sample, recipe, type);
  }

  private static DjlModel initialise(Block block, Shape sample, BlockRecipe recipe, DataType type) {
    NDManager manager = Devices.newManager();
    try {
      block.initialize(manager, type, new Shape(1).addAll(sample));
      return new DjlModel(manager, block, recipe);
    } catch (RuntimeException e) {
      manager.close();
      throw e;
    }
  }

  /** He et al. 2015 (arXiv 1502.01852): N(0, 2 / fan-in), from Java's generator. */
  private static NDArray gaussian(Random random, NDManager manager, Shape shape, DataType type) {
    double fanIn = shape.dimension() < 2 ? 1 : (double) shape.size() / shape.get(0);
    double scale = Math.sqrt(2 / fanIn);
    double[] values = new double[(int) shape.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = scale * random.nextGaussian();
    }
    try (NDArray wide = manager.create(values, shape);
        NDArray typed = wide.toType(type, false)) {
      return nativeCopy(typed);
    }
  }

  /**
   * An array in PyTorch's own memory. DJL lays what it makes from Java over a direct buffer that is
   * freed with the Java object, and {@code toType} of the same type shares it even when told to
   * copy.
   */
  private static NDArray nativeCopy(NDArray array) {
    return array.duplicate();
  }

  static DjlModel load(Path file) {
    try (SafetensorsFile tensors = SafetensorsFile.open(file)) {
      String json = tensors.metadata().get(RECIPE);
      if (json == null) {
        throw new ModelException(file + ": its metadata holds no block recipe");
      }
      BlockRecipe recipe = BlockRecipe.fromJson(json);
      Block block = Architectures.build(recipe);
      boolean wide = tensors.entries().stream().allMatch(entry -> entry.type().equals("F64"));
      // Shapes are asked for in the block's order, which is the file's: a recipe that demands
      // more than the file holds fails before anything is allocated for it.
      Iterator<SafetensorsFile.Entry> entries = tensors.entries().iterator();
      Initializer fromFile =
          (manager, shape, type) -> {
            if (!entries.hasNext()) {
              throw new ModelException(file + ": fewer tensors than its recipe needs");
            }
            return read(file, tensors, entries.next(), manager, shape, type);
          };
      block.setInitializer(fromFile, parameter -> true);
      DjlModel model =
          initialise(
              block, recipe.inputShape(), recipe, wide ? DataType.FLOAT64 : DataType.FLOAT32);
      if (!model.all.stream()
          .map(Weight::name)
          .toList()
          .equals(tensors.entries().stream().map(SafetensorsFile.Entry::name).toList())) {
        model.close();
        throw new ModelException(file + ": its tensors are not those of its recipe");
      }
      return model;
    } catch (IOException e) {
      throw new ModelException(e.getMessage(), e);
    } catch (ModelException e) {
      throw e.getMessage().startsWith(file.toString())
          ? e
          : new ModelException("%s: %s".formatted(file, e.getMessage()), e);
    }
  }

  private static NDArray read(
      Path file,
      SafetensorsFile tensors,
      SafetensorsFile.Entry entry,
      NDManager manager,
      Shape shape,
      DataType type) {
    if (!new Shape(entry.shape()).equals(shape)) {
      throw new ModelException(
          "%s: tensor %s has the shape %s, its recipe says %s"
              .formatted(file, entry.name(), entry.shape(), shape));
    }
    try (NDArray read =
        type == DataType.FLOAT64
            ? manager.create(tensors.doubles(entry.name()), shape)
            : manager.create(tensors.floats(entry.name()), shape)) {
      return nativeCopy(read);
    } catch (IOException e) {
      throw new ModelException(e.getMessage(), e);
    }
  }

  /** The network; its parameters are this model's weights. */
  public Block block() {
    return block;
  }

  /** For calling {@link #block} directly. */
  public ParameterStore parameterStore() {
    return store;
  }

  @Override
  public ModelFormat format() {
    return ModelFormat.DJL;
  }

  @Override
  public NDManager manager() {
    return manager;
  }

  @Override
  public List<Weight> weights() {
    return List.copyOf(weights);
  }

  @Override
  public List<Weight> buffers() {
    return List.copyOf(buffers);
  }

  @Override
  public NDArray logits(NDArray x) {
    return block.forward(store, new NDList(x), false).singletonOrThrow();
  }

  @Override
  public NDArray trainingLogits(NDArray x) {
    return block.forward(store, new NDList(x), true).singletonOrThrow();
  }

  @Override
  public void write(Path file) {
    if (recipe == null) {
      throw new ModelException("a block without a recipe cannot be written");
    }
    List<Safetensors.Tensor> tensors = new ArrayList<>();
    for (Weight weight : all) {
      tensors.add(
          weight.array().getDataType() == DataType.FLOAT64
              ? Safetensors.Tensor.of(weight.name(), weight.shape(), weight.array().toDoubleArray())
              : Safetensors.Tensor.of(
                  weight.name(), weight.shape(), weight.array().toFloatArray()));
    }
    try {
      Safetensors.write(file, Map.of(RECIPE, recipe.toJson()), tensors);
    } catch (IOException e) {
      throw new ModelException("%s: cannot be written: %s".formatted(file, e.getMessage()), e);
    }
  }
}
