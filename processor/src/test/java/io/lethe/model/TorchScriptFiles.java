package io.lethe.model;

import io.lethe.dataset.Datasets;
import io.lethe.dataset.SampleDataset;
import io.lethe.events.ModelFormat;
import java.net.URISyntaxException;
import java.nio.file.Path;

/** Files that {@code src/test/python/torchscript_fixtures.py} made. */
public final class TorchScriptFiles {
  private TorchScriptFiles() {}

  public static Path file(String name) {
    try {
      return Path.of(TorchScriptFiles.class.getResource("/torchscript/" + name).toURI());
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  public static TorchScriptModel load(String name) {
    return (TorchScriptModel) LoadedModel.load(file(name), ModelFormat.TORCHSCRIPT);
  }

  /** Twelve samples (1, 8, 8) of three classes. */
  public static SampleDataset data() {
    return Datasets.open("npz:" + file("data.npz"));
  }
}
