package io.lethe.registry;

import java.util.function.Consumer;

/** The registry's durable memory: an ordered log whose last record per key counts. */
interface SchemaLog extends AutoCloseable {

  /** Replays everything that was acknowledged, in order. */
  void replay(Consumer<LogRecord> reader);

  /**
   * Returns when the record is durable. After an exception it may or may not be: replay to know.
   *
   * @throws RegistryRefusal STORE or TIMEOUT
   */
  void append(LogRecord record);

  @Override
  void close();
}
