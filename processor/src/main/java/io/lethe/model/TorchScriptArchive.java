package io.lethe.model;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipException;
import java.util.zip.ZipFile;
import java.util.zip.ZipOutputStream;

/**
 * What a TorchScript file says before PyTorch runs it: a zip of tensors, a pickle of the module,
 * and the source of its classes as PyTorch prints it.
 */
public final class TorchScriptArchive {
  private static final String CODE = "code/";
  private static final String SOURCE = ".py";

  /** The pickle begins with its protocol and the root module's class. */
  private static final Pattern ROOT =
      Pattern.compile("\\A\\x80.c([\\w.]+)\n(\\w+)\n", Pattern.DOTALL);

  private static final String CALL = "torch\\.(?:%s)\\([^\n]*";

  /** Mode, momentum, epsilon, and whether cuDNN may be used. */
  private static final String NORM =
      CALL.formatted("batch_norm|instance_norm") + ", %s, [^,\n]+, [^,\n]+, (?:True|False)\\)";

  private static final String DROPOUT = CALL.formatted("\\w*dropout_?") + ", %s\\)";

  private static final Pattern FIXED_TO_TRAINING = modePattern("True");
  private static final Pattern FIXED_TO_EVAL = modePattern("False");
  private static final Pattern FOLLOWS_THE_MODE = Pattern.compile("\\b\\w+\\.training\\b");

  private final Path file;
  private final Map<String, String> sources;
  private final String rootClass;

  private TorchScriptArchive(Path file, Map<String, String> sources, String rootClass) {
    this.file = file;
    this.sources = sources;
    this.rootClass = rootClass;
  }

  private static Pattern modePattern(String mode) {
    return Pattern.compile(NORM.formatted(mode) + "|" + DROPOUT.formatted(mode));
  }

  /**
   * Reads a file's source.
   *
   * @throws ModelException in one line, when it is no TorchScript file
   */
  public static TorchScriptArchive read(Path file) {
    try (ZipFile zip = new ZipFile(file.toFile())) {
      Map<String, String> sources = new TreeMap<>();
      String pickle = null;
      boolean constants = false;
      for (ZipEntry entry : Collections.list(zip.entries())) {
        String name = inner(entry.getName());
        if (name.startsWith(CODE) && name.endsWith(SOURCE)) {
          sources.put(name, new String(bytes(zip, entry), StandardCharsets.UTF_8));
        } else if (name.equals("data.pkl")) {
          pickle = new String(bytes(zip, entry), StandardCharsets.ISO_8859_1);
        }
        constants |= name.equals("constants.pkl");
      }
      if (pickle != null && !constants) {
        throw new ModelException(
            file
                + ": holds weights without their network (torch.save): export it with"
                + " torch.jit.script(model).save(FILE)");
      }
      Matcher root = ROOT.matcher(pickle == null ? "" : pickle);
      if (sources.isEmpty() || !root.find()) {
        throw new ModelException(file + ": not a TorchScript file: an archive of something else");
      }
      return new TorchScriptArchive(file, sources, root.group(1) + "." + root.group(2));
    } catch (ZipException e) {
      throw new ModelException(
          file + ": not a TorchScript file: torch.jit.save writes a zip archive", e);
    } catch (IOException e) {
      throw new ModelException(file + ": no such file, or not readable", e);
    }
  }

  /** Name inside of the archive's one folder. */
  private static String inner(String name) {
    return name.substring(name.indexOf('/') + 1);
  }

  private static byte[] bytes(ZipFile zip, ZipEntry entry) throws IOException {
    try (InputStream in = zip.getInputStream(entry)) {
      return in.readAllBytes();
    }
  }

  /** Source files by their path in the archive, such as {@code code/__torch__/net.py}. */
  public Map<String, String> sources() {
    return Collections.unmodifiableMap(sources);
  }

  /** Qualified name of the root module's class, such as {@code __torch__.net.Net}. */
  public String rootClass() {
    return rootClass;
  }

  /** Path of the source that defines a class or function of a qualified name. */
  public static String sourceOf(String qualifiedName) {
    return CODE
        + qualifiedName.substring(0, qualifiedName.lastIndexOf('.')).replace('.', '/')
        + SOURCE;
  }

  /**
   * Whether BatchNorm or dropout is in training mode whatever the module's own mode: so it was
   * traced in training mode.
   */
  boolean isFixedToTraining() {
    return sources.values().stream().anyMatch(text -> FIXED_TO_TRAINING.matcher(text).find());
  }

  /** Whether BatchNorm and dropout stay in eval mode whatever the module's own mode. */
  boolean isFixedToEval() {
    return sources.values().stream().anyMatch(text -> FIXED_TO_EVAL.matcher(text).find())
        && sources.values().stream().noneMatch(text -> FOLLOWS_THE_MODE.matcher(text).find());
  }

  /** Checksums of its tensors, buffers included, by their path in the archive. */
  Map<String, Long> tensorChecksums() throws IOException {
    try (ZipFile zip = new ZipFile(file.toFile())) {
      Map<String, Long> checksums = new TreeMap<>();
      for (ZipEntry entry : Collections.list(zip.entries())) {
        String name = inner(entry.getName());
        if (name.startsWith("data/")) {
          checksums.put(name, entry.getCrc());
        }
      }
      return checksums;
    }
  }

  /** Writes the archive with other sources; those of new paths are added. */
  public void write(Path target, Map<String, String> newSources) throws IOException {
    try (ZipFile zip = new ZipFile(file.toFile());
        OutputStream out = Files.newOutputStream(target);
        ZipOutputStream copy = new ZipOutputStream(out)) {
      String folder = "";
      for (ZipEntry entry : Collections.list(zip.entries())) {
        String name = inner(entry.getName());
        folder = entry.getName().substring(0, entry.getName().length() - name.length());
        if (!newSources.containsKey(name) && !name.endsWith(".debug_pkl")) {
          store(copy, entry.getName(), bytes(zip, entry));
        }
      }
      for (Map.Entry<String, String> source : newSources.entrySet()) {
        store(copy, folder + source.getKey(), source.getValue().getBytes(StandardCharsets.UTF_8));
      }
    }
  }

  private static void store(ZipOutputStream zip, String name, byte[] content) throws IOException {
    CRC32 crc = new CRC32();
    crc.update(content);
    ZipEntry entry = new ZipEntry(name);
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
