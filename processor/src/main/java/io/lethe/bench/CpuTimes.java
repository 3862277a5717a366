package io.lethe.bench;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadInfo;
import java.lang.management.ThreadMXBean;
import java.util.EnumMap;
import java.util.Map;

/**
 * Processor time of this process by what its threads do: where the cores' time goes when broker,
 * clients and topology share them.
 *
 * @param nanos of each part
 */
record CpuTimes(Map<Part, Long> nanos) {
  private static final double NANOS_PER_MICRO = 1e3;

  enum Part {
    STREAM_THREADS("streamThreads"),
    STREAM_PRODUCERS("streamProducers"),
    BENCH("loadAndResponder"),
    BROKER("brokerAndOthers"),
    /** The collector and the compiler are no Java threads: what is left of the process. */
    JVM("collectorAndCompiler");

    private final String label;

    Part(String label) {
      this.label = label;
    }
  }

  static CpuTimes now() {
    ThreadMXBean threads = ManagementFactory.getThreadMXBean();
    Map<Part, Long> nanos = new EnumMap<>(Part.class);
    long counted = 0;
    for (long id : threads.getAllThreadIds()) {
      ThreadInfo info = threads.getThreadInfo(id);
      long time = threads.getThreadCpuTime(id);
      if (info != null && time > 0) {
        nanos.merge(part(info.getThreadName()), time, Long::sum);
        counted += time;
      }
    }
    OperatingSystemMXBean system =
        (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    nanos.put(Part.JVM, Math.max(0, system.getProcessCpuTime() - counted));
    return new CpuTimes(nanos);
  }

  private static Part part(String thread) {
    boolean ofStreams = thread.contains("StreamThread");
    if (thread.startsWith("kafka-producer-network-thread")) {
      return ofStreams ? Part.STREAM_PRODUCERS : Part.BENCH;
    }
    if (ofStreams) {
      return Part.STREAM_THREADS;
    }
    return thread.startsWith("lethe-bench") || thread.equals("main") ? Part.BENCH : Part.BROKER;
  }

  /** Microseconds since then for each of so many events, by part. */
  ObjectNode since(CpuTimes before, int events) {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    double sum = 0;
    for (Part part : Part.values()) {
      long spent = nanos.getOrDefault(part, 0L) - before.nanos.getOrDefault(part, 0L);
      double micros = spent / NANOS_PER_MICRO / events;
      json.put(part.label, micros);
      sum += micros;
    }
    json.put("all", sum);
    return json;
  }
}
