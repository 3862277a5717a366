package io.lethe.terminal;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;

/** Memory of this process. */
public final class ProcessMemory {
  private static final Path STATUS = Path.of("/proc/self/status");
  private static final long KIB_PER_MIB = 1024;

  private ProcessMemory() {}

  /** Peak resident memory, in MiB; empty where the system does not tell. */
  public static OptionalLong peakRssMiB() {
    return status("VmHWM:");
  }

  /** Resident memory now, in MiB; empty where the system does not tell. */
  public static OptionalLong residentMiB() {
    return status("VmRSS:");
  }

  private static OptionalLong status(String field) {
    if (!Files.isReadable(STATUS)) {
      return OptionalLong.empty();
    }
    try {
      return Files.readAllLines(STATUS).stream()
          .filter(line -> line.startsWith(field))
          .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) / KIB_PER_MIB)
          .findFirst();
    } catch (IOException e) {
      return OptionalLong.empty();
    }
  }
}
