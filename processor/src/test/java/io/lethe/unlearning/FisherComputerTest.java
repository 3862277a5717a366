package io.lethe.unlearning;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.engine.EngineException;
import ai.djl.modality.nlp.DefaultVocabulary;
import ai.djl.modality.nlp.embedding.TrainableWordEmbedding;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.AbstractBlock;
import ai.djl.nn.Activation;
import ai.djl.nn.Block;
import ai.djl.nn.Blocks;
import ai.djl.nn.LambdaBlock;
import ai.djl.nn.Parameter;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.convolutional.Conv1d;
import ai.djl.nn.convolutional.Conv2d;
import ai.djl.nn.core.Linear;
import ai.djl.nn.norm.LayerNorm;
import ai.djl.training.ParameterStore;
import ai.djl.util.PairList;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import io.lethe.dataset.Datasets;
import io.lethe.dataset.SampleDataset;
import io.lethe.fisher.FisherAccumulator;
import io.lethe.fisher.FisherDiagonal;
import io.lethe.model.BlockRecipe;
import io.lethe.model.DjlModel;
import io.lethe.model.GradientMode;
import io.lethe.model.LoadedModel;
import io.lethe.model.PRelu;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.slf4j.LoggerFactory;

class FisherComputerTest {
  private static final SampleDataset DATA =
      Datasets.open("synthetic:digits?samples=40&subjects=4&side=10&classes=4&seed=3");
  private static final int[] SAMPLES = IntStream.range(0, 11).toArray();

  @Test
  void equalsTheLoopOnAnMlp() {
    assertFastEqualsLoop(double64(BlockRecipe.mlp(DATA.sampleShape(), 4, 12, 7)));
  }

  @Test
  void equalsTheLoopOnACnnWithBatchNorm() {
    DjlModel model = double64(BlockRecipe.cnn(DATA.sampleShape(), 4, 5, 6, 9));
    moveStatistics(model);
    assertFastEqualsLoop(model);
  }

  @Test
  void equalsTheLoopOnResiduals() {
    DjlModel model =
        double64(new BlockRecipe("resnet18", List.of(1L, 10L, 10L), 4, List.of(3, 4, 5, 6)));
    moveStatistics(model);
    assertFastEqualsLoop(model);
  }

  @Test
  void equalsTheLoopOnAStridedPaddedConvolutionWithBias() {
    Block block =
        new SequentialBlock()
            .add(
                Conv2d.builder()
                    .setKernelShape(new Shape(3, 2))
                    .optStride(new Shape(2, 3))
                    .optPadding(new Shape(1, 2))
                    .optDilation(new Shape(2, 1))
                    .setFilters(3)
                    .build())
            .add(Blocks.batchFlattenBlock())
            .add(Linear.builder().setUnits(4).build());
    assertFastEqualsLoop(DjlModel.of(block, DATA.sampleShape(), 1, DataType.FLOAT64));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("layers")
  void equalsTheLoopOn(String name, Block block) {
    DjlModel model = DjlModel.of(block, DATA.sampleShape(), 1, DataType.FLOAT64);
    try (ProbedBlock probed = ProbedBlock.of(block, model.parameterStore()).orElseThrow()) {
      assertThat(probed.layers()).as("layers with a fast form").isNotEmpty();
    }
    assertFastEqualsLoop(model);
  }

  static List<Arguments> layers() {
    Block shared = Linear.builder().setUnits(10).build();
    Block sharedConvolution = convolution(1, 1, 1, 1);
    return List.of(
        Arguments.of("a kernel larger than its input has channels", classifier(largeKernel())),
        Arguments.of(
            "a kernel no larger than its input has channels",
            classifier(convolution(16, 1, 1, 1), largeKernel())),
        Arguments.of(
            "PReLU with a slope per channel", classifier(convolution(4, 1, 1, 1), new PRelu(true))),
        Arguments.of(
            "PReLU with one slope",
            classifier(flat(10, 10), Linear.builder().setUnits(5).build(), new PRelu(false))),
        Arguments.of(
            "grouped convolution", classifier(convolution(4, 1, 1, 1), convolution(6, 2, 1, 2))),
        Arguments.of(
            "depthwise convolution", classifier(convolution(4, 1, 1, 1), convolution(4, 4, 2, 1))),
        Arguments.of(
            "depthwise convolution with a multiplier",
            classifier(convolution(3, 1, 1, 1), convolution(6, 3, 1, 1))),
        Arguments.of(
            "convolution over one axis",
            classifier(
                flat(10, 10),
                Conv1d.builder()
                    .setKernelShape(new Shape(3))
                    .optStride(new Shape(2))
                    .optPadding(new Shape(2))
                    .optDilation(new Shape(2))
                    .optGroups(2)
                    .setFilters(4)
                    .build())),
        Arguments.of(
            "sequence through linear layers",
            classifier(flat(10, 10), Linear.builder().setUnits(5).build(), Activation.tanhBlock())),
        Arguments.of(
            "layer normalisation", classifier(LayerNorm.builder().build(), Activation.tanhBlock())),
        Arguments.of(
            "layer normalisation of the last axis",
            classifier(flat(10, 10), LayerNorm.builder().axis(2).build(), Activation.tanhBlock())),
        Arguments.of(
            "layer normalisation without a scale",
            classifier(flat(100), LayerNorm.builder().optScale(false).build())),
        Arguments.of("embedding", classifier(flat(100), TOKENS, embedding())),
        Arguments.of(
            "a linear layer used twice",
            classifier(flat(10, 10), shared, Activation.tanhBlock(), shared)),
        Arguments.of(
            "a convolution used twice",
            classifier(sharedConvolution, Activation.tanhBlock(), sharedConvolution)));
  }

  /** Grey values as items of a small vocabulary; many positions hold the same one. */
  private static final Block TOKENS =
      LambdaBlock.singleton(x -> x.mul(6).floor().toType(DataType.INT64, false));

  private static Block embedding() {
    return new TrainableWordEmbedding(
        new DefaultVocabulary(List.of("a", "b", "c", "d", "e", "f", "g", "h")), 5);
  }

  private static Block flat(long... shape) {
    return LambdaBlock.singleton(
        x -> x.reshape(new Shape(x.getShape().get(0)).addAll(new Shape(shape))));
  }

  private static Block convolution(int filters, int groups, int stride, int dilation) {
    return Conv2d.builder()
        .setKernelShape(new Shape(3, 3))
        .optPadding(new Shape(2, 2))
        .optStride(new Shape(stride, stride))
        .optDilation(new Shape(dilation, dilation))
        .optGroups(groups)
        .setFilters(filters)
        .build();
  }

  /** 15 positions. */
  private static Block largeKernel() {
    return Conv2d.builder()
        .setKernelShape(new Shape(3, 5))
        .optPadding(new Shape(2, 1))
        .optStride(new Shape(3, 2))
        .optDilation(new Shape(1, 2))
        .setFilters(4)
        .build();
  }

  private static Block classifier(Block... layers) {
    return new SequentialBlock()
        .addAll(layers)
        .add(Blocks.batchFlattenBlock())
        .add(Linear.builder().setUnits(4).build());
  }

  @Test
  void equalsTheClosedFormOfLogisticRegression() {
    // d(-log p(y|x)) / dW = (p - e_y) x', so the sum of squares follows from the probabilities.
    try (DjlModel model = double64(BlockRecipe.mlp(DATA.sampleShape(), 4))) {
      double[] weight = new double[4 * 100];
      double[] bias = new double[4];
      try (NDManager scope = model.manager().newSubManager();
          GradientMode off = GradientMode.off()) {
        NDList xy = DATA.batch(scope, SAMPLES);
        NDArray x = xy.get(0).toType(DataType.FLOAT64, false);
        double[] pixels = x.toDoubleArray();
        double[] p = model.logits(x).softmax(1).toDoubleArray();
        for (int s = 0; s < SAMPLES.length; s++) {
          for (int c = 0; c < 4; c++) {
            double residual = p[s * 4 + c] - (DATA.label(SAMPLES[s]) == c ? 1 : 0);
            bias[c] += residual * residual;
            for (int i = 0; i < 100; i++) {
              weight[c * 100 + i] += Math.pow(residual * pixels[s * 100 + i], 2);
            }
          }
        }
      }

      FisherAccumulator sums = new FisherComputer(model).accumulate(DATA, SAMPLES, Progress.NONE);

      assertClose(sums.sums(0), weight, 1e-12);
      assertClose(sums.sums(1), bias, 1e-12);
    }
  }

  @Test
  void equalsTheLoopOnANetworkWithPrelu() {
    DjlModel model =
        double64(
            new BlockRecipe("resnet18", List.of(1L, 10L, 10L), 4, List.of(3, 4, 5, 6)).withPrelu());
    moveStatistics(model);
    assertFastEqualsLoop(model);
  }

  @Test
  void sixtyThousandSamplesLoseNothing() {
    // Each sample 1,500 times: the sums are 1,500 times those of one pass in float64.
    int[] repeated = IntStream.range(0, 60_000).map(i -> i % DATA.size()).toArray();
    int[] once = IntStream.range(0, DATA.size()).toArray();
    BlockRecipe recipe = BlockRecipe.mlp(DATA.sampleShape(), 4, 6);
    try (LoadedModel single = LoadedModel.create(recipe, 1);
        DjlModel wide = double64(recipe)) {
      FisherAccumulator expected = new FisherComputer(wide).loop(DATA, once, Progress.NONE);

      FisherAccumulator sums =
          FisherComputer.ofMinibatch(single, 37).accumulate(DATA, repeated, Progress.NONE);

      for (int t = 0; t < single.weights().size(); t++) {
        double[] scaled = Arrays.stream(expected.sums(t)).map(sum -> 1_500 * sum).toArray();
        double largest = Arrays.stream(scaled).max().orElse(0);
        for (int i = 0; i < scaled.length; i++) {
          // What float32 gradients differ by from float64 ones, not more.
          assertThat(Math.abs(sums.sums(t)[i] - scaled[i]))
              .isLessThanOrEqualTo(1e-5 * scaled[i] + 1e-9 * largest);
        }
      }
    }
  }

  @Test
  void aMinibatchThatFindsNoMemoryIsHalvedAndCountsOnce() {
    List<Long> ran = new ArrayList<>();
    try (DjlModel model = scarce(3, ran)) {
      FisherAccumulator expected = new FisherComputer(model).loop(DATA, SAMPLES, Progress.NONE);
      ran.clear();
      List<Long> done = new ArrayList<>();

      FisherAccumulator sums =
          FisherComputer.ofMinibatch(model, 8)
              .accumulate(DATA, SAMPLES, (stage, samples, total) -> done.add(samples));

      assertThat(ran).containsSubsequence(2L, 8L, 4L, 2L, 2L, 2L, 2L, 2L, 1L);
      assertThat(done).containsExactly(2L, 4L, 6L, 8L, 10L, 11L);
      assertThat(sums.toDiagonal().samples()).isEqualTo(11);
      for (int t = 0; t < model.weights().size(); t++) {
        assertClose(sums.sums(t), expected.sums(t), 1e-9);
      }
    }
  }

  @Test
  void memoryThatIsLostOnTheWayIsMissedOnTheWay() {
    AtomicInteger limit = new AtomicInteger(100);
    try (DjlModel model = scarce(limit, new ArrayList<>())) {
      FisherAccumulator expected = new FisherComputer(model).loop(DATA, SAMPLES, Progress.NONE);

      FisherAccumulator sums =
          FisherComputer.ofMinibatch(model, 5)
              .accumulate(
                  DATA, SAMPLES, (stage, samples, total) -> limit.set(samples == 5 ? 2 : 100));

      for (int t = 0; t < model.weights().size(); t++) {
        assertClose(sums.sums(t), expected.sums(t), 1e-9);
      }
    }
  }

  @Test
  void theMinibatchFollowsFromTheMemoryThatASampleTakes() {
    // A linear layer of 100 × 8192 float32: input, output, gradient, and what follows the layer.
    long bytes = 4 * (100 + 3 * 8192) + 4 * (8192 + 3 * 4);
    int[] all = IntStream.range(0, DATA.size()).toArray();
    List<Long> done = new ArrayList<>();
    try (LoadedModel model = LoadedModel.create(BlockRecipe.mlp(DATA.sampleShape(), 4, 8192), 1)) {
      new FisherComputer(model, 2).sum(DATA, all, (stage, samples, total) -> done.add(samples));
    }

    assertThat(done.get(0)).isEqualTo((2 << 20) / bytes);
  }

  @Test
  void noMemoryForOneSampleIsAnError() {
    AtomicInteger limit = new AtomicInteger(100);
    try (DjlModel model = scarce(limit, new ArrayList<>())) {
      FisherComputer computer = FisherComputer.ofMinibatch(model, 4);

      assertThatThrownBy(() -> computer.sum(DATA, SAMPLES, (stage, samples, total) -> limit.set(0)))
          .isInstanceOf(UnlearningException.class)
          .hasMessage("not enough memory for a minibatch of one sample");
    }
  }

  private static DjlModel scarce(int limit, List<Long> ran) {
    return scarce(new AtomicInteger(limit), ran);
  }

  /** A model that has memory for so many samples at once, and tells what it was asked for. */
  private static DjlModel scarce(AtomicInteger limit, List<Long> ran) {
    Block scarce =
        LambdaBlock.singleton(
            x -> {
              long samples = x.getShape().get(0);
              ran.add(samples);
              if (samples > limit.get()) {
                throw new EngineException("CUDA out of memory. Tried to allocate 2.00 GiB.");
              }
              return x;
            });
    Block block = classifier(convolution(4, 1, 1, 1), Activation.tanhBlock(), scarce);
    return DjlModel.of(block, DATA.sampleShape(), 1, DataType.FLOAT64);
  }

  @Test
  void saysOnceThatItComputesOneSampleAtATime() {
    ListAppender<ILoggingEvent> log = new ListAppender<>();
    Logger logger = (Logger) LoggerFactory.getLogger(FisherComputer.class);
    log.start();
    logger.addAppender(log);
    try (DjlModel model =
        DjlModel.of(new CallsItsField(true), DATA.sampleShape(), 1, DataType.FLOAT64)) {
      FisherComputer computer = new FisherComputer(model);

      computer.sum(DATA, SAMPLES, Progress.NONE);
      computer.sum(DATA, SAMPLES, Progress.NONE);

      assertThat(log.list)
          .extracting(ILoggingEvent::getFormattedMessage)
          .containsExactly(
              "the fast Fisher form does not hold here: computing one sample at a time");
    } finally {
      logger.detachAppender(log);
    }
  }

  @Test
  void leavesWeightsAndStatisticsBitIdentical() {
    try (LoadedModel model =
        LoadedModel.create(BlockRecipe.cnn(DATA.sampleShape(), 4, 4, 5, 6), 1)) {
      List<float[]> before = contents(model);

      FisherComputer.ofMinibatch(model, 4).sum(DATA, SAMPLES, Progress.NONE);

      assertThat(contents(model)).usingRecursiveComparison().isEqualTo(before);
    }
  }

  @Test
  void modelsMayBeWorkedOnByDifferentThreadsAtOnce() throws Exception {
    int[] all = IntStream.range(0, DATA.size()).toArray();
    Callable<FisherDiagonal> job =
        () -> {
          try (LoadedModel model =
              LoadedModel.create(BlockRecipe.cnn(DATA.sampleShape(), 4, 4, 5, 6), 1)) {
            new Trainer(new TrainingRecipe(3, 8, 0.01, TrainingRecipe.Schedule.ONE_CYCLE, 0, 1))
                .train(model, DATA, all, Progress.NONE);
            return FisherComputer.ofMinibatch(model, 16).sum(DATA, all, Progress.NONE);
          }
        };
    FisherDiagonal alone = job.call();
    ExecutorService threads = Executors.newFixedThreadPool(3);
    try {
      for (Future<FisherDiagonal> together : threads.invokeAll(List.of(job, job, job))) {
        assertThat(together.get()).usingRecursiveComparison().isEqualTo(alone);
      }
    } finally {
      threads.shutdown();
    }
  }

  @Test
  void givesTheSameBytesTwiceAndAddsUpOverDisjointSamples() {
    try (LoadedModel model =
        LoadedModel.create(BlockRecipe.cnn(DATA.sampleShape(), 4, 4, 5, 6), 1)) {
      FisherComputer computer = FisherComputer.ofMinibatch(model, 4);
      FisherDiagonal all = computer.sum(DATA, SAMPLES, Progress.NONE);

      FisherDiagonal again = computer.sum(DATA, SAMPLES, Progress.NONE);
      FisherDiagonal parts =
          computer
              .sum(DATA, new int[] {0, 1, 2}, Progress.NONE)
              .plus(computer.sum(DATA, Arrays.copyOfRange(SAMPLES, 3, 11), Progress.NONE));

      assertThat(again).usingRecursiveComparison().isEqualTo(all);
      assertThat(parts.samples()).isEqualTo(11);
      for (int t = 0; t < all.tensors().size(); t++) {
        assertClose(
            widen(parts.tensors().get(t).values()), widen(all.tensors().get(t).values()), 1e-4);
      }
    }
  }

  @Test
  void addsTheGradientsOfALayerThatIsUsedTwice() {
    Block shared = Linear.builder().setUnits(8).build();
    Block block =
        new SequentialBlock()
            .add(Blocks.batchFlattenBlock())
            .add(Linear.builder().setUnits(8).build())
            .add(shared)
            .add(shared)
            .add(Linear.builder().setUnits(4).build());
    assertFastEqualsLoop(DjlModel.of(block, DATA.sampleShape(), 1, DataType.FLOAT64));
  }

  @Test
  void isNotFooledByABlockThatCallsALayerByItsField() {
    assertFastEqualsLoop(
        DjlModel.of(new CallsItsField(true), DATA.sampleShape(), 1, DataType.FLOAT64));
  }

  @Test
  void namesAParameterThatReceivesNothing() {
    try (DjlModel model =
        DjlModel.of(new CallsItsField(false), DATA.sampleShape(), 1, DataType.FLOAT64)) {
      FisherComputer computer = new FisherComputer(model);

      assertThatThrownBy(() -> computer.sum(DATA, SAMPLES, Progress.NONE))
          .isInstanceOf(UnlearningException.class)
          .hasMessageContaining("unused.weight received no gradient");
    }
  }

  /** Two layers; the second is called by its field, or not at all. */
  private static final class CallsItsField extends AbstractBlock {
    private final Linear first;
    private final Linear second;
    private final boolean useSecond;

    CallsItsField(boolean useSecond) {
      this.useSecond = useSecond;
      first = addChildBlock("first", Linear.builder().setUnits(4).build());
      second = addChildBlock(useSecond ? "second" : "unused", Linear.builder().setUnits(4).build());
    }

    @Override
    protected NDList forwardInternal(
        ParameterStore store,
        NDList inputs,
        boolean training,
        PairList<String, Object> parameters) {
      NDArray x = inputs.singletonOrThrow();
      NDList flat = new NDList(x.reshape(x.getShape().get(0), -1));
      NDList hidden = getChildren().valueAt(0).forward(store, flat, training);
      return useSecond ? second.forward(store, hidden, training) : hidden;
    }

    @Override
    public void initializeChildBlocks(NDManager manager, DataType type, Shape... inputs) {
      first.initialize(manager, type, new Shape(1, inputs[0].size()));
      second.initialize(manager, type, new Shape(1, 4));
    }

    @Override
    public Shape[] getOutputShapes(Shape[] inputs) {
      return new Shape[] {new Shape(inputs[0].get(0), 4)};
    }
  }

  private static DjlModel double64(BlockRecipe recipe) {
    return DjlModel.create(recipe, 1, DataType.FLOAT64);
  }

  /** Running statistics as training leaves them, and a γ and β that differ between channels. */
  private static void moveStatistics(DjlModel model) {
    try (NDManager scope = model.manager().newSubManager();
        GradientMode off = GradientMode.off()) {
      for (int i = 0; i < 5; i++) {
        model.trainingLogits(
            DATA.batch(scope, IntStream.range(0, 30).toArray())
                .get(0)
                .toType(DataType.FLOAT64, false));
      }
      for (LoadedModel.Weight weight : model.weights()) {
        if (weight.name().endsWith("gamma") || weight.name().endsWith("beta")) {
          NDArray ramp =
              scope.arange((int) weight.array().getShape().size()).toType(DataType.FLOAT64, false);
          weight.array().addi(ramp.mul(0.1));
        }
      }
    }
  }

  private static void assertFastEqualsLoop(DjlModel model) {
    try (model) {
      FisherComputer computer = FisherComputer.ofMinibatch(model, 4);
      FisherAccumulator loop = computer.loop(DATA, SAMPLES, Progress.NONE);

      FisherAccumulator fast = computer.accumulate(DATA, SAMPLES, Progress.NONE);

      for (int t = 0; t < model.weights().size(); t++) {
        assertThat(Arrays.stream(loop.sums(t)).max().orElse(0))
            .as(model.weights().get(t).name())
            .isPositive();
        assertClose(fast.sums(t), loop.sums(t), 1e-9);
      }
      for (Parameter parameter : model.block().getParameters().values()) {
        assertThat(parameter.getArray().hasGradient()).isFalse();
      }
    }
  }

  /** Element by element; what is below 1e-12 of the tensor's largest sum is rounding. */
  private static void assertClose(double[] actual, double[] expected, double relative) {
    double floor = Arrays.stream(expected).max().orElse(0) * 1e-12;
    assertThat(actual).hasSameSizeAs(expected);
    for (int i = 0; i < expected.length; i++) {
      assertThat(Math.abs(actual[i] - expected[i]))
          .as("value %d of %d: %s and %s", i, expected.length, actual[i], expected[i])
          .isLessThanOrEqualTo(relative * expected[i] + floor);
    }
  }

  private static double[] widen(float[] values) {
    return IntStream.range(0, values.length).mapToDouble(i -> values[i]).toArray();
  }

  private static List<float[]> contents(LoadedModel model) {
    List<float[]> contents = new ArrayList<>();
    model.weights().forEach(weight -> contents.add(weight.array().toFloatArray()));
    model.buffers().forEach(buffer -> contents.add(buffer.array().toFloatArray()));
    return contents;
  }
}
