package io.lethe.topology;

import io.lethe.schemas.client.SchemaRegistryUnavailableException;
import java.time.Duration;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A record of a schema that is not known yet waits for a schema registry that is away, and with it
 * its stream thread: nothing behind it could be processed before it. Thread-safe.
 *
 * <p>RATIONALE: an exception would end the thread. It is replaced, but each replacement is a
 * rebalance, and with static membership waits for its predecessor's session to end.
 */
final class RegistryPatience {
  /**
   * With the last try, {@link io.lethe.topics.Topics#askingOnce} 5 s for each address, well below
   * {@code max.poll.interval.ms} (5 minutes), after which the group goes on without.
   */
  private static final Duration LONGEST = Duration.ofMinutes(2);

  private static final Duration PAUSE = Duration.ofSeconds(1);
  private static final Logger log = LoggerFactory.getLogger(RegistryPatience.class);

  private final Duration longest;
  private final Duration pause;
  private boolean ended;

  /**
   * @param longest after which the thread is given up after all
   * @param pause between two tries
   */
  RegistryPatience(Duration longest, Duration pause) {
    this.longest = longest;
    this.pause = pause;
  }

  static RegistryPatience usual() {
    return new RegistryPatience(LONGEST, PAUSE);
  }

  /** Lets what waits fail at once, or at the end of its try: the program stops. */
  synchronized void end() {
    ended = true;
    notifyAll();
  }

  /** A serde whose reads wait. */
  <T> Serde<T> of(Serde<T> serde) {
    return Serdes.serdeFrom(serde.serializer(), new Waiting<>(serde.deserializer()));
  }

  /** Whether to try once more, after a pause. */
  private synchronized boolean again(long deadline) {
    if (ended || System.nanoTime() - deadline >= 0) {
      return false;
    }
    try {
      wait(pause.toMillis());
      return true;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }

  private static boolean isRegistryAway(Throwable error) {
    for (Throwable cause = error; cause != null; cause = cause.getCause()) {
      if (cause instanceof SchemaRegistryUnavailableException) {
        return true;
      }
    }
    return false;
  }

  private final class Waiting<T> implements Deserializer<T> {
    private final Deserializer<T> deserializer;

    Waiting(Deserializer<T> deserializer) {
      this.deserializer = deserializer;
    }

    @Override
    public T deserialize(String topic, byte[] data) {
      return deserialize(topic, null, data);
    }

    @Override
    public T deserialize(String topic, Headers headers, byte[] data) {
      long deadline = System.nanoTime() + longest.toNanos();
      boolean told = false;
      while (true) {
        try {
          return deserializer.deserialize(topic, headers, data);
        } catch (RuntimeException e) {
          if (!isRegistryAway(e) || !again(deadline)) {
            throw e;
          }
          if (!told) {
            log.warn("a record waits for the schema registry topic={}: {}", topic, e.getMessage());
            told = true;
          }
        }
      }
    }

    @Override
    public void close() {
      deserializer.close();
    }
  }
}
