package io.lethe.topics;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.List;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TraceContextTest {
  private static final String PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

  private static final String OTHER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

  private static Headers headers(String parent, String state) {
    return new RecordHeaders()
        .add("traceparent", parent.getBytes(StandardCharsets.UTF_8))
        .add("tracestate", state.getBytes(StandardCharsets.UTF_8));
  }

  @Test
  void whatIsReadIsWrittenAgain() {
    // Given
    Headers target = headers("another", "another=1");

    // When
    TraceContext.of(headers(PARENT, "vendor=1")).addTo(target);

    // Then
    assertThat(target).containsExactlyElementsOf(headers(PARENT, "vendor=1"));
  }

  @Test
  void noContextChangesNothing() {
    // Given
    Headers target = headers(PARENT, "vendor=1");

    // When
    TraceContext.of(new RecordHeaders()).addTo(target);

    // Then
    assertThat(target).containsExactlyElementsOf(headers(PARENT, "vendor=1"));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "alice@example.org",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00F067AA0BA902B7-01",
        PARENT + "-more"
      })
  void whatIsNoTraceParentIsDroppedWithItsState(String parent) {
    assertThat(TraceContext.of(headers(parent, "vendor=1"))).isEqualTo(TraceContext.NONE);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "vendor=ü", "a=1\nb=2"})
  void aStateThatIsNoneIsDropped(String state) {
    assertThat(TraceContext.of(headers(PARENT, state)))
        .isEqualTo(new TraceContext(PARENT, "", List.of()));
  }

  @Test
  void linksAreReadAndWrittenWithoutWhatIsNoTraceParent() {
    // Given
    Headers batch = headers(PARENT, "vendor=1");
    batch.add("ce_tracelinks", (PARENT + ",alice," + OTHER).getBytes(StandardCharsets.UTF_8));
    Headers target = new RecordHeaders();

    // When
    TraceContext context = TraceContext.of(batch);
    TraceContext.of(context.toRecord()).addTo(target);

    // Then
    assertThat(context.links()).containsExactly(PARENT, OTHER);
    assertThat(new String(target.lastHeader("ce_tracelinks").value(), StandardCharsets.UTF_8))
        .isEqualTo(PARENT + "," + OTHER);
  }

  @Test
  void theContextOfOneRequestTakesABatchsLinksAway() {
    // Given
    Headers target = headers(PARENT, "vendor=1");
    target.add("ce_tracelinks", OTHER.getBytes(StandardCharsets.UTF_8));

    // When
    TraceContext.of(headers(OTHER, "")).addTo(target);

    // Then
    assertThat(target.lastHeader("ce_tracelinks")).isNull();
    assertThat(target.lastHeader("tracestate")).isNull();
  }
}
