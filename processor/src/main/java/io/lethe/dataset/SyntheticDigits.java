package io.lethe.dataset;

import ai.djl.ndarray.types.Shape;
import java.util.Random;
import java.util.Set;

/**
 * Generates small grey images of strokes that data subjects "wrote", each in a hand of their own.
 *
 * <p>{@code synthetic:digits?samples=4000&subjects=100&classes=10&side=20&noise=0.15&seed=1#train}
 *
 * <ul>
 *   <li>{@code samples}: training samples; {@code test}: test samples, by default a quarter of it
 *   <li>{@code subjects}: people who wrote the training samples, in equal shares
 *   <li>{@code classes}: 2 to 50; the first ten are the digits, the others random strokes
 *   <li>{@code side}: height and width in pixels
 *   <li>{@code noise}: share of samples whose label is another class's, drawn at random. A model
 *       can get these right only by having seen them, which makes memorisation plain to see.
 *   <li>{@code seed}: of everything
 * </ul>
 *
 * <p>The test split is written by other people and has the <em>same</em> share of wrong labels:
 * then a model that never saw a training sample treats it as it treats a test sample, and "forget
 * equals holdout" is what honest forgetting looks like. The best possible accuracy there is 1 −
 * noise.
 */
final class SyntheticDigits {
  /** Polylines in the unit square, x to the right and y down. */
  private static final double[][] DIGITS = {
    {.5, .1, .25, .25, .2, .5, .25, .75, .5, .9, .75, .75, .8, .5, .75, .25, .5, .1},
    {.35, .25, .55, .1, .55, .5, .55, .9},
    {.25, .3, .4, .12, .65, .15, .72, .35, .5, .6, .25, .88, .75, .88},
    {.25, .15, .7, .15, .45, .45, .72, .6, .65, .85, .4, .9, .22, .8},
    {.6, .9, .6, .1, .2, .65, .8, .65},
    {.72, .12, .32, .12, .28, .45, .6, .45, .75, .65, .6, .88, .25, .85},
    {.65, .12, .38, .35, .25, .65, .4, .9, .68, .82, .68, .6, .45, .52, .28, .65},
    {.22, .14, .76, .14, .55, .5, .42, .9},
    {.5, .5, .28, .3, .5, .1, .72, .3, .5, .5, .25, .72, .5, .9, .75, .72, .5, .5},
    {.72, .38, .5, .48, .3, .35, .42, .12, .65, .15, .72, .38, .66, .65, .5, .9},
  };

  private static final int MOST_PIXELS = 512 << 20;

  private final int classes;
  private final int side;
  private final double[][] strokes;

  private SyntheticDigits(int classes, int side) {
    this.classes = classes;
    this.side = side;
    strokes = new double[classes][];
    for (int c = 0; c < classes; c++) {
      strokes[c] = c < DIGITS.length ? DIGITS[c] : randomStroke(c);
    }
  }

  static SampleDataset generate(DatasetUri uri) {
    uri.allowOnly(
        Set.of("samples", "test", "subjects", "classes", "side", "noise", "seed", "mean", "std"));
    if (!uri.location().equals("digits")) {
      throw new DatasetException("%s: the only generator is synthetic:digits".formatted(uri));
    }
    int samples = (int) uri.number("samples", 4000, 1, 10_000_000);
    int test = (int) uri.number("test", Math.max(1, samples / 4), 1, 10_000_000);
    int subjects = (int) uri.number("subjects", 100, 1, samples);
    int classes = (int) uri.number("classes", 10, 2, 50);
    int side = (int) uri.number("side", 20, 8, 64);
    double noise = uri.share("noise", 0.15);
    long seed = uri.number("seed", 1, Long.MIN_VALUE, Long.MAX_VALUE);
    if ((long) Math.max(samples, test) * side * side > MOST_PIXELS) {
      throw new DatasetException("%s: more than 512 MiB of pixels".formatted(uri));
    }
    SyntheticDigits digits = new SyntheticDigits(classes, side);
    Normalisation normalisation = Normalisation.of(uri, 1);
    if (uri.split().equals("train")) {
      return digits.split("train", samples, subjects, noise, seed, normalisation);
    }
    // As many samples per person as in training, by people of their own.
    int writers = (int) Math.max(1, (long) test * subjects / samples);
    return digits.split("test", test, writers, noise, seed ^ 0x5DEECE66DL, normalisation);
  }

  private SampleDataset split(
      String name,
      int samples,
      int subjects,
      double noise,
      long seed,
      Normalisation normalisation) {
    byte[] pixels = new byte[samples * side * side];
    int[] labels = new int[samples];
    int[] writers = new int[samples];
    Hand[] hands = new Hand[subjects];
    for (int s = 0; s < subjects; s++) {
      hands[s] = new Hand(new Random(mix(seed, -1L - s)), classes);
    }
    for (int i = 0; i < samples; i++) {
      Random random = new Random(mix(seed, i));
      int written = random.nextInt(classes);
      writers[i] = (int) ((long) i * subjects / samples);
      boolean wrong = random.nextDouble() < noise;
      int other = (written + 1 + random.nextInt(classes - 1)) % classes;
      labels[i] = wrong ? other : written;
      draw(hands[writers[i]], written, random, pixels, i * side * side);
    }
    String prefix = name.equals("train") ? "subject" : "test-subject";
    return new InMemoryDataset(
        new Values.Bytes(pixels),
        labels,
        new Shape(1, side, side),
        classes,
        new SampleIds.Numbered(name + "-", 5, samples),
        index -> "%s-%04d".formatted(prefix, writers[index]),
        normalisation);
  }

  /** How one person writes: slant, proportions, pressure, and where each stroke is bent. */
  private static final class Hand {
    final double slant;
    final double width;
    final double height;
    final double turn;
    final double thickness;
    final double ink;
    final double[][] bends;

    Hand(Random random, int classes) {
      slant = 0.25 * random.nextGaussian();
      width = 0.8 + 0.25 * random.nextDouble();
      height = 0.8 + 0.25 * random.nextDouble();
      turn = 0.12 * random.nextGaussian();
      thickness = 0.045 + 0.04 * random.nextDouble();
      ink = 0.7 + 0.3 * random.nextDouble();
      bends = new double[classes][32];
      for (double[] bend : bends) {
        for (int i = 0; i < bend.length; i++) {
          bend[i] = 0.05 * random.nextGaussian();
        }
      }
    }
  }

  private void draw(Hand hand, int written, Random random, byte[] pixels, int at) {
    double[] stroke = strokes[written];
    int points = stroke.length / 2;
    double[] x = new double[points];
    double[] y = new double[points];
    double shiftX = 0.04 * random.nextGaussian();
    double shiftY = 0.04 * random.nextGaussian();
    double turn = hand.turn + 0.06 * random.nextGaussian();
    for (int p = 0; p < points; p++) {
      double bendX = hand.bends[written][2 * p % 32] + 0.025 * random.nextGaussian();
      double bendY = hand.bends[written][(2 * p + 1) % 32] + 0.025 * random.nextGaussian();
      double px = (stroke[2 * p] - 0.5 + bendX) * hand.width;
      double py = (stroke[2 * p + 1] - 0.5 + bendY) * hand.height;
      px -= hand.slant * py;
      x[p] = 0.5 + shiftX + px * Math.cos(turn) - py * Math.sin(turn);
      y[p] = 0.5 + shiftY + px * Math.sin(turn) + py * Math.cos(turn);
    }
    for (int row = 0; row < side; row++) {
      for (int column = 0; column < side; column++) {
        double distance = Double.MAX_VALUE;
        for (int p = 0; p + 1 < points; p++) {
          distance =
              Math.min(
                  distance,
                  distance(
                      (column + 0.5) / side, (row + 0.5) / side, x[p], y[p], x[p + 1], y[p + 1]));
        }
        double edge = (hand.thickness - distance) * side + 0.5;
        double value = hand.ink * Math.max(0, Math.min(1, edge)) + 0.08 * random.nextGaussian();
        pixels[at + row * side + column] = (byte) Math.round(255 * Math.max(0, Math.min(1, value)));
      }
    }
  }

  private static double distance(double px, double py, double ax, double ay, double bx, double by) {
    double dx = bx - ax;
    double dy = by - ay;
    double length = dx * dx + dy * dy;
    double t = length == 0 ? 0 : ((px - ax) * dx + (py - ay) * dy) / length;
    t = Math.max(0, Math.min(1, t));
    return Math.hypot(px - ax - t * dx, py - ay - t * dy);
  }

  private static double[] randomStroke(int c) {
    Random random = new Random(mix(0x1E7E, c));
    double[] points = new double[12];
    for (int i = 0; i < points.length; i++) {
      points[i] = 0.15 + 0.7 * random.nextDouble();
    }
    return points;
  }

  /** SplitMix64's finaliser: neighbouring numbers give unrelated streams. */
  private static long mix(long seed, long stream) {
    long z = seed * 0x9E3779B97F4A7C15L + stream * 0xD1B54A32D192ED03L;
    z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    return z ^ (z >>> 31);
  }
}
