package io.lethe.topology;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.lethe.schemas.client.SchemaRegistryUnavailableException;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringSerializer;
import org.junit.jupiter.api.Test;

class RegistryPatienceTest {
  private static final RuntimeException AWAY =
      new SchemaRegistryUnavailableException("away", 503, 0, null);

  private final AtomicInteger tries = new AtomicInteger();

  @Test
  void waitsUntilTheRegistryIsBack() {
    RegistryPatience patience = new RegistryPatience(Duration.ofDays(1), Duration.ofMillis(1));

    String read = read(patience, 5, AWAY);

    assertThat(read).isEqualTo("value");
    assertThat(tries).hasValue(6);
  }

  @Test
  void asksOnlyOnceWhereTheRecordIsAtFault() {
    RegistryPatience patience = new RegistryPatience(Duration.ofDays(1), Duration.ofMillis(1));

    assertThatThrownBy(() -> read(patience, 1, new SerializationException("broken")))
        .isInstanceOf(SerializationException.class);
    assertThat(tries).hasValue(1);
  }

  @Test
  void givesUpInTheEnd() {
    RegistryPatience patience = new RegistryPatience(Duration.ZERO, Duration.ofDays(1));

    assertThatThrownBy(() -> read(patience, 1, new SerializationException("no schema", AWAY)))
        .isInstanceOf(SerializationException.class);
  }

  @Test
  void doesNotKeepTheProgramFromStopping() {
    RegistryPatience patience = new RegistryPatience(Duration.ofDays(1), Duration.ofDays(1));
    patience.end();

    assertThatThrownBy(() -> read(patience, 1, AWAY)).isSameAs(AWAY);
  }

  @Test
  void wakesWhatWaitsWhenTheProgramStops() {
    RegistryPatience patience = new RegistryPatience(Duration.ofDays(1), Duration.ofDays(1));
    AtomicReference<Throwable> failed = new AtomicReference<>();
    Thread waiter = new Thread(() -> read(patience, Integer.MAX_VALUE, AWAY));
    waiter.setUncaughtExceptionHandler((thread, error) -> failed.set(error));
    waiter.start();
    await().until(() -> waiter.getState() == Thread.State.TIMED_WAITING);

    patience.end();

    await().until(() -> waiter.getState() == Thread.State.TERMINATED);
    assertThat(failed).hasValue(AWAY);
  }

  private String read(RegistryPatience patience, int failures, RuntimeException failure) {
    Deserializer<String> deserializer =
        (topic, data) -> {
          if (tries.incrementAndGet() <= failures) {
            throw failure;
          }
          return "value";
        };
    return patience
        .of(Serdes.serdeFrom(new StringSerializer(), deserializer))
        .deserializer()
        .deserialize("topic", new byte[0]);
  }
}
