package io.lethe.unlearning;

import ai.djl.Device;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.engine.PtSymbolBlock;
import ai.djl.pytorch.jni.IValueUtils;
import ai.djl.pytorch.jni.JniUtils;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/**
 * A small TorchScript module of this package, for what DJL offers no call for, or would need a call
 * per sample.
 *
 * <p>Its archive is put together here from readable source, a {@code .py} beside this class: a zip
 * with the source, a pickle of an object without state, and no constants. A module is loaded once,
 * lives as long as the process, has no state, and may be run by several threads at once.
 *
 * <p>The sources make no array on PyTorch's default device or of its default type: each factory
 * call names both.
 */
final class NativeScript {
  private final PtSymbolBlock module;

  private NativeScript(PtSymbolBlock module) {
    this.module = module;
  }

  /**
   * @param resource file name of the source
   * @param className of the class in it whose {@code forward} is run
   */
  static NativeScript load(String resource, String className) {
    try (InputStream source = NativeScript.class.getResourceAsStream(resource)) {
      PtNDManager manager = (PtNDManager) NDManager.newBaseManager(Device.cpu(), "PyTorch");
      byte[] archive = archive(className, source.readAllBytes());
      return new NativeScript(
          JniUtils.loadModule(manager, new ByteArrayInputStream(archive), false, false));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /**
   * Runs it.
   *
   * @param arguments in order; those of one name that ends in {@code []} are one list
   * @return the results, attached to the first argument's manager
   */
  NDList run(NDList arguments) {
    // As in training: otherwise DJL lets PyTorch return inference tensors, and warn of it.
    return IValueUtils.forward(module, arguments, true);
  }

  private static byte[] archive(String name, byte[] source) throws IOException {
    // Pickle, protocol 2: an object of the class, its state a dictionary with training = False.
    ByteArrayOutputStream state = new ByteArrayOutputStream();
    state.write(new byte[] {(byte) 0x80, 2, 'c'});
    state.write(("__torch__\n" + name + "\n").getBytes(StandardCharsets.US_ASCII));
    state.write(new byte[] {')', (byte) 0x81, '}', '(', 'X', 8, 0, 0, 0});
    state.write("training".getBytes(StandardCharsets.US_ASCII));
    state.write(new byte[] {(byte) 0x89, 'u', 'b', '.'});
    ByteArrayOutputStream archive = new ByteArrayOutputStream();
    try (ZipOutputStream zip = new ZipOutputStream(archive)) {
      put(zip, name + "/data.pkl", state.toByteArray());
      put(zip, name + "/code/__torch__.py", source);
      put(zip, name + "/constants.pkl", new byte[] {(byte) 0x80, 2, ')', '.'});
      put(zip, name + "/version", new byte[] {'3', '\n'});
    }
    return archive.toByteArray();
  }

  private static void put(ZipOutputStream zip, String path, byte[] content) throws IOException {
    CRC32 crc = new CRC32();
    crc.update(content);
    ZipEntry entry = new ZipEntry(path);
    entry.setTime(0);
    entry.setMethod(ZipEntry.STORED);
    entry.setSize(content.length);
    entry.setCompressedSize(content.length);
    entry.setCrc(crc.getValue());
    zip.putNextEntry(entry);
    zip.write(content);
    zip.closeEntry();
  }
}
