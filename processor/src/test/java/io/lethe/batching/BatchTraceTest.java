package io.lethe.batching;

import static org.assertj.core.api.Assertions.assertThat;

import io.lethe.events.RequestCommand;
import io.lethe.events.Trace;
import io.lethe.state.ErasureTask;
import java.time.Instant;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.Test;

class BatchTraceTest {
  private static String parent(int span) {
    return "00-4bf92f3577b34da6a3ce929d0e0e4736-%016x-01".formatted(span);
  }

  private static ErasureTask task(Trace trace) {
    return ErasureTask.newBuilder()
        .setRequestId(new UUID(1, 2))
        .setModelId("m")
        .setCommand(RequestCommand.ERASE)
        .setSampleIds(List.of())
        .setReceivedAt(Instant.EPOCH)
        .setDueAt(Instant.EPOCH)
        .setTrace(trace)
        .build();
  }

  @Test
  void aBatchWithoutTracesHasNone() {
    // Given
    BatchTrace batch = new BatchTrace();

    // When
    batch.add(task(null));

    // Then
    assertThat(batch.trace()).isNull();
  }

  @Test
  void theParentIsTheFirstAndLinksEndAtTheLimit() {
    // Given
    BatchTrace batch = new BatchTrace();
    batch.add(task(null));

    // When
    for (int span = 1; span <= 300; span++) {
      batch.add(task(new Trace(parent(span), "vendor=" + span, List.of())));
      batch.add(task(new Trace(parent(span), "again", List.of())));
    }

    // Then
    assertThat(batch.trace().getParent()).isEqualTo(parent(1));
    assertThat(batch.trace().getState()).isEqualTo("vendor=1");
    assertThat(batch.trace().getLinks()).hasSize(128).startsWith(parent(1)).endsWith(parent(128));
  }
}
