package io.lethe.model;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.engine.StandardCapabilities;
import ai.djl.ndarray.NDManager;
import java.util.regex.Pattern;

/**
 * Where models compute. One choice for the whole process, made before the first model is loaded.
 */
public final class Devices {
  /** The first GPU that PyTorch sees, else the CPU; so it is before a choice, too. */
  public static final String AUTO = "auto";

  private static final Pattern NAME = Pattern.compile("auto|cpu|gpu:\\d{1,4}");

  private static volatile Device selected;

  private Devices() {}

  /**
   * Chooses.
   *
   * @param name {@code auto} (the first GPU that PyTorch sees, else the CPU), {@code cpu}, or
   *     {@code gpu:0}, {@code gpu:1} and so on
   * @throws ModelException in one line, when there is no such device
   */
  public static void select(String name) {
    if (!NAME.matcher(name).matches()) {
      throw new ModelException("device %s: must be auto, cpu, or gpu:N".formatted(name));
    }
    Engine engine = NativeLibrary.load();
    int gpus = engine.hasCapability(StandardCapabilities.CUDA) ? engine.getGpuCount() : 0;
    if (name.startsWith("gpu:")) {
      int id = Integer.parseInt(name.substring(4));
      if (id >= gpus) {
        throw new ModelException(
            "device %s: there is none: PyTorch %s (%s) sees %d GPUs"
                .formatted(name, engine.getVersion(), NativeLibrary.flavour(), gpus));
      }
      selected = Device.gpu(id);
    } else {
      selected = name.equals("cpu") || gpus == 0 ? Device.cpu() : Device.gpu(0);
    }
  }

  /** A new base manager on the chosen device; the caller closes it. */
  static NDManager newManager() {
    Engine engine = NativeLibrary.load();
    Device device = selected;
    return device == null ? engine.newBaseManager() : engine.newBaseManager(device);
  }
}
