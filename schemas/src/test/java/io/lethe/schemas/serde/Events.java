package io.lethe.schemas.serde;

import io.lethe.events.DeletionRequest;
import io.lethe.events.Regulation;
import io.lethe.events.Selector;
import io.lethe.events.SelectorKind;
import java.time.Instant;
import java.util.List;
import java.util.UUID;

/** Events that tests of this package share. */
final class Events {
  static final String SUBJECT = "subject-0f3a";

  private Events() {}

  static DeletionRequest deletionRequest() {
    return DeletionRequest.newBuilder()
        .setRequestId(UUID.fromString("5d3b1f0a-7c52-4f86-9f0c-2f8c9d1e7a41"))
        .setSelector(selector())
        .setModels(List.of("mnist-cnn"))
        .setRegulation(Regulation.GDPR)
        .setReceivedAt(Instant.parse("2026-03-01T12:00:00.123456Z"))
        .setDueAt(Instant.parse("2026-04-01T12:00:00Z"))
        .build();
  }

  static Selector selector() {
    return Selector.newBuilder().setKind(SelectorKind.SUBJECT).setSubjectId(SUBJECT).build();
  }
}
