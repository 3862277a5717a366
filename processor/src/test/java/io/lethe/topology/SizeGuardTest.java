package io.lethe.topology;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lethe.events.ErasureReceipt;
import io.lethe.events.Regulation;
import io.lethe.events.RequestStatus;
import io.lethe.topics.Topic;
import io.lethe.topics.Topics;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.streams.processor.api.InternalFixedKeyRecordFactory;
import org.apache.kafka.streams.processor.api.Record;
import org.junit.jupiter.api.Test;

class SizeGuardTest {
  private final Topic<String, ErasureReceipt> topic =
      new Topics("lethe.", Map.of("schema.registry.url", "mock://guard")).erasureReceipts();

  @Test
  void whatItsTopicDoesNotTakeIsRefusedWithoutAWordOfIt() {
    SizeGuard<String, ErasureReceipt> guard = new SizeGuard<>(topic);
    ErasureReceipt receipt =
        ErasureReceipt.newBuilder()
            .setRequestId(new UUID(1, 2))
            .setStatus(RequestStatus.COMPLETED)
            .setRegulation(Regulation.GDPR)
            .setModels(List.of())
            .setReceivedAt(TopologyFixture.START)
            .setCompletedAt(TopologyFixture.START)
            .setAttestation("x".repeat(topic.maxMessageBytes()))
            .build();

    assertThatThrownBy(
            () ->
                guard.process(InternalFixedKeyRecordFactory.create(new Record<>("k", receipt, 0))))
        .isInstanceOf(RecordTooLargeException.class)
        .hasMessageContaining(topic.name())
        .hasMessageNotContaining("xxxx");
  }
}
