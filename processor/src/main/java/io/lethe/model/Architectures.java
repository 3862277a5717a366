package io.lethe.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import ai.djl.nn.Block;
import ai.djl.nn.Blocks;
import ai.djl.nn.ParallelBlock;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.convolutional.Conv2d;
import ai.djl.nn.core.Linear;
import ai.djl.nn.norm.BatchNorm;
import ai.djl.nn.pooling.Pool;
import java.util.List;

/** The block recipes' networks, made of layers that have an exact fast Fisher form. */
final class Architectures {
  private Architectures() {}

  /** A sequence whose children have names: they become the parameters' names. */
  private static final class Stack extends SequentialBlock {
    Stack with(String name, Block block) {
      addChildBlock(name, block);
      return this;
    }

    Stack activation(BlockRecipe recipe) {
      return recipe.activation().equals(BlockRecipe.PRELU)
          // It has a parameter, whose name must differ from that of the next one.
          ? with("prelu" + getChildren().size(), new PRelu(true))
          : with("relu", Activation.reluBlock());
    }
  }

  /** Main path and shortcut, added. */
  private static final class Residual extends ParallelBlock {
    Residual(Block main, Block shortcut) {
      super(outputs -> new NDList(sum(outputs)), List.of());
      addChildBlock("main", main);
      addChildBlock("shortcut", shortcut);
    }

    private static NDArray sum(List<NDList> outputs) {
      return outputs.get(0).singletonOrThrow().add(outputs.get(1).singletonOrThrow());
    }
  }

  static void check(String architecture, List<Long> input, List<Integer> widths) {
    long side = Math.min(input.get(1), input.get(2));
    switch (architecture) {
      case "mlp" -> {}
      case "cnn" -> {
        if (widths.size() < 2 || side >> (widths.size() - 1) < 1) {
          throw new IllegalArgumentException(
              "a cnn takes the filters of its convolutions and the units of its dense layer, and"
                  + " halves its input once per convolution");
        }
      }
      case "resnet18" -> {
        if (widths.size() != 4 || side < 8) {
          throw new IllegalArgumentException(
              "a resnet18 takes the filters of four stages and an input of at least 8x8");
        }
      }
      default ->
          throw new IllegalArgumentException(
              "unknown architecture; known are mlp, cnn and resnet18");
    }
  }

  static Block build(BlockRecipe recipe) {
    return switch (recipe.architecture()) {
      case "mlp" -> mlp(recipe);
      case "cnn" -> cnn(recipe);
      default -> resnet18(recipe);
    };
  }

  private static Block mlp(BlockRecipe recipe) {
    Stack stack = new Stack().with("flatten", Blocks.batchFlattenBlock());
    int layer = 1;
    for (int units : recipe.widths()) {
      stack.with("dense" + layer++, Linear.builder().setUnits(units).build()).activation(recipe);
    }
    return stack.with("output", Linear.builder().setUnits(recipe.classes()).build());
  }

  private static Block cnn(BlockRecipe recipe) {
    Stack stack = new Stack();
    int convolutions = recipe.widths().size() - 1;
    for (int layer = 1; layer <= convolutions; layer++) {
      stack
          .with("conv" + layer, conv3x3(recipe.widths().get(layer - 1), 1))
          .with("norm" + layer, BatchNorm.builder().build())
          .activation(recipe)
          .with("pool" + layer, Pool.maxPool2dBlock(new Shape(2, 2), new Shape(2, 2)));
    }
    return stack
        .with("flatten", Blocks.batchFlattenBlock())
        .with("dense", Linear.builder().setUnits(recipe.widths().get(convolutions)).build())
        .activation(recipe)
        .with("output", Linear.builder().setUnits(recipe.classes()).build());
  }

  /**
   * ResNet-18 (He et al., CVPR 2016, arXiv 1512.03385) with the stem for small images: one 3×3
   * convolution, no pooling.
   */
  private static Block resnet18(BlockRecipe recipe) {
    Stack stack =
        new Stack()
            .with("conv", conv3x3(recipe.widths().get(0), 1))
            .with("norm", BatchNorm.builder().build())
            .activation(recipe);
    int in = recipe.widths().get(0);
    for (int stage = 0; stage < 4; stage++) {
      int out = recipe.widths().get(stage);
      int stride = stage == 0 ? 1 : 2;
      stack
          .with("stage%da".formatted(stage + 1), basicUnit(recipe, in, out, stride))
          .activation(recipe)
          .with("stage%db".formatted(stage + 1), basicUnit(recipe, out, out, 1))
          .activation(recipe);
      in = out;
    }
    return stack
        .with("pool", Pool.globalAvgPool2dBlock())
        .with("output", Linear.builder().setUnits(recipe.classes()).build());
  }

  private static Block basicUnit(BlockRecipe recipe, int in, int out, int stride) {
    Stack main =
        new Stack()
            .with("conv1", conv3x3(out, stride))
            .with("norm1", BatchNorm.builder().build())
            .activation(recipe)
            .with("conv2", conv3x3(out, 1))
            .with("norm2", BatchNorm.builder().build());
    Stack shortcut = new Stack();
    if (in == out && stride == 1) {
      shortcut.with("identity", Blocks.identityBlock());
    } else {
      shortcut
          .with(
              "conv",
              Conv2d.builder()
                  .setKernelShape(new Shape(1, 1))
                  .optStride(new Shape(stride, stride))
                  .setFilters(out)
                  .optBias(false)
                  .build())
          .with("norm", BatchNorm.builder().build());
    }
    return new Residual(main, shortcut);
  }

  private static Block conv3x3(int filters, int stride) {
    return Conv2d.builder()
        .setKernelShape(new Shape(3, 3))
        .optPadding(new Shape(1, 1))
        .optStride(new Shape(stride, stride))
        .setFilters(filters)
        .optBias(false)
        .build();
  }
}
