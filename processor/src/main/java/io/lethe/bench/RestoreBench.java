package io.lethe.bench;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.nio.file.ExtendedOpenOption;
import io.lethe.events.UnlearningJob;
import io.lethe.fisher.FisherDiagonal;
import io.lethe.terminal.ProcessMemory;
import io.lethe.terminal.Terminal;
import io.lethe.topics.KafkaSettings;
import io.lethe.topics.Topics;
import io.lethe.topology.StreamApp;
import io.lethe.topology.StreamProfile;
import io.lethe.topology.StreamSettings;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;

/**
 * How fast Fisher diagonals come back after the state directory was wiped, from the changelog on
 * the embedded broker to serving, beside a sequential read of the same disk that passes the
 * system's cache by.
 *
 * <p>The diagonals are random numbers, which no compression makes smaller.
 */
public final class RestoreBench {
  private static final double NANOS = 1e9;
  private static final int MIB = 1 << 20;
  private static final int TENSOR_MIB = 4;
  private static final int READ_BYTES = 4 * MIB;
  private static final String APP = "restore";

  private final Settings settings;
  private final Terminal terminal;

  /**
   * @param mib diagonals in all, in MiB
   * @param diagonalMib one model's diagonal, in MiB
   * @param threads stream threads; each restores its own partitions
   * @param kafka Kafka's settings over the program's own
   * @param folder on the disk to measure on
   */
  public record Settings(
      int mib, int diagonalMib, int threads, Map<String, String> kafka, Path folder) {
    public Settings {
      if (diagonalMib < 1 || diagonalMib > 256 || mib < diagonalMib || threads < 1) {
        throw new IllegalArgumentException(
            "a diagonal has 1 to 256 MiB, and all of them have at least as much as one");
      }
    }

    int models() {
      return mib / diagonalMib;
    }

    int storedMib() {
      return models() * diagonalMib;
    }
  }

  /**
   * What the disk gave.
   *
   * @param direct whether the system's cache was passed by
   */
  private record Disk(double mibPerSecond, boolean direct) {}

  public RestoreBench(Settings settings, Terminal terminal) {
    this.settings = settings;
    this.terminal = terminal;
  }

  /** MiB/s of the restore and of the disk, and their ratio. */
  public ObjectNode run() throws IOException {
    try (Cluster cluster = Cluster.start(settings.folder(), settings.kafka())) {
      Topics topics = cluster.topics("restore.");
      store(cluster, topics);
      Cluster.delete(cluster.stateDirectory(APP));
      Disk disk = readDisk(cluster.folder().resolve("sequential"));
      double seconds = restore(cluster, topics);
      double rate = settings.storedMib() / seconds;
      ObjectNode json = JsonNodeFactory.instance.objectNode();
      json.put("mibPerSecond", rate);
      json.put("diskReadMibPerSecond", disk.mibPerSecond());
      json.put("ratio", rate / disk.mibPerSecond());
      json.put("diskReadPastCache", disk.direct());
      json.put("mib", settings.storedMib());
      json.put("models", settings.models());
      json.put("threads", settings.threads());
      json.put("seconds", seconds);
      ProcessMemory.peakRssMiB().ifPresent(mib -> json.put("peakRssMiB", mib));
      terminal.line(
          String.format(
              Locale.ROOT,
              "  restored %,d MiB in %.1f s: %.0f MiB/s; disk, sequential%s: %.0f MiB/s; ratio %.2f",
              settings.storedMib(),
              seconds,
              rate,
              disk.direct() ? "" : " (through the cache)",
              disk.mibPerSecond(),
              rate / disk.mibPerSecond()));
      return json;
    }
  }

  private void store(Cluster cluster, Topics topics) {
    KafkaSettings kafka = cluster.kafka();
    terminal.line("  storing %,d MiB of diagonals".formatted(settings.storedMib()));
    long began = System.nanoTime();
    try (Sender sender = new Sender(kafka);
        StreamApp app = cluster.app(settings(cluster), topics, true);
        Responder responder = Responder.start(kafka, topics, this::diagonal)) {
      Load load = new Load(topics, sender, settings.models());
      app.start();
      load.registerModels(Integer.MAX_VALUE, Duration.ofHours(1));
      load.awaitCollecting(app);
    }
    terminal.line("  stored in %.1f s".formatted((System.nanoTime() - began) / NANOS));
  }

  private FisherDiagonal diagonal(UnlearningJob job) {
    Random random = new Random(job.getModelId().hashCode());
    List<FisherDiagonal.Tensor> tensors = new ArrayList<>();
    for (int left = settings.diagonalMib(); left > 0; left -= TENSOR_MIB) {
      float[] values = new float[Math.min(left, TENSOR_MIB) * (MIB / Float.BYTES)];
      for (int i = 0; i < values.length; i++) {
        values[i] = random.nextFloat();
      }
      tensors.add(
          new FisherDiagonal.Tensor(
              "tensor" + tensors.size(), List.of((long) values.length), values));
    }
    return new FisherDiagonal(tensors, 1_000);
  }

  private double restore(Cluster cluster, Topics topics) {
    try (StreamApp app = cluster.app(settings(cluster), topics, true)) {
      long began = System.nanoTime();
      app.start();
      Cluster.await("the restore", app::isReady);
      double seconds = (System.nanoTime() - began) / NANOS;
      for (int model = 0; model < settings.models(); model++) {
        requireServed(app, Load.modelId(model));
      }
      return seconds;
    }
  }

  private StreamSettings settings(Cluster cluster) {
    return cluster.settings(APP, StreamProfile.THROUGHPUT, null, settings.threads());
  }

  private void requireServed(StreamApp app, String modelId) {
    long values = app.sums(modelId, Load.ANCHOR_ID).retained().size();
    if (values * Float.BYTES != (long) settings.diagonalMib() * MIB) {
      throw new IllegalStateException("the restored sums of " + modelId + " are not whole");
    }
  }

  private Disk readDisk(Path file) throws IOException {
    long bytes = (long) settings.storedMib() * MIB;
    byte[] noise = new byte[READ_BYTES];
    new Random(1).nextBytes(noise);
    try (FileChannel channel =
        FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
      for (long at = 0; at < bytes; at += READ_BYTES) {
        ByteBuffer buffer = ByteBuffer.wrap(noise);
        while (buffer.hasRemaining()) {
          channel.write(buffer);
        }
      }
      channel.force(true);
    }
    try {
      return new Disk(read(file, ExtendedOpenOption.DIRECT), true);
    } catch (UnsupportedOperationException | IOException e) {
      return new Disk(read(file), false); // this file system reads through the cache only
    } finally {
      Files.delete(file);
    }
  }

  /** MiB per second. */
  private static double read(Path file, ExtendedOpenOption... options) throws IOException {
    int block = (int) Files.getFileStore(file).getBlockSize();
    ByteBuffer buffer =
        ByteBuffer.allocateDirect(READ_BYTES + block).alignedSlice(block).limit(READ_BYTES).slice();
    List<OpenOption> all = new ArrayList<>(List.of(options));
    all.add(StandardOpenOption.READ);
    long began = System.nanoTime();
    long total = 0;
    try (FileChannel channel = FileChannel.open(file, all.toArray(OpenOption[]::new))) {
      for (int read = 0; read >= 0; read = channel.read(buffer.clear())) {
        total += read;
      }
    }
    return total / (double) MIB / ((System.nanoTime() - began) / NANOS);
  }
}
