package io.lethe.topology;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Set;
import org.apache.kafka.streams.KafkaStreams.State;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What the health of an instance is in each state that Kafka Streams has, also those to come. */
class StreamAppTest {
  private static final Set<State> READY = Set.of(State.RUNNING);

  /** What may yet become ready by itself: restarting such an instance would only cost time. */
  private static final Set<State> ALIVE = Set.of(State.CREATED, State.REBALANCING, State.RUNNING);

  @ParameterizedTest
  @EnumSource
  void readyOnlyWhileRecordsAreProcessedAndAliveWhileThatMayComeAgain(State state) {
    assertThat(StreamApp.isReady(state)).isEqualTo(READY.contains(state));
    assertThat(StreamApp.isAlive(state)).isEqualTo(ALIVE.contains(state));
  }
}
