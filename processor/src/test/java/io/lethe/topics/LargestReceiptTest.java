package io.lethe.topics;

import static org.assertj.core.api.Assertions.assertThat;

import io.lethe.attestation.Attestor;
import io.lethe.attestation.SigningKey;
import io.lethe.events.ErasureReceipt;
import io.lethe.events.ModelResult;
import io.lethe.events.Regulation;
import io.lethe.events.RequestStatus;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LargestReceiptTest {
  /** Room for the headers of the batch and the record. */
  private static final int HEADERS_BYTES = 4_096;

  @TempDir Path directory;

  @Test
  void aReceiptOfTwentyThousandModelsFitsItsTopic() {
    Instant at = Instant.parse("2026-01-31T12:00:00.123456Z");
    List<ModelResult> models =
        IntStream.range(0, 20_000)
            .mapToObj(
                i ->
                    ModelResult.newBuilder()
                        .setModelId("recommendations-eu-west-" + i)
                        .setVersion(1 + i % 9)
                        .setArtifactSha256("0123456789abcdef".repeat(4))
                        .setSamples(1)
                        .setUnlearnedAt(at)
                        .build())
            .toList();
    ErasureReceipt receipt =
        new Attestor(SigningKey.loadOrCreate(directory.resolve("key.pem")))
            .attest(
                ErasureReceipt.newBuilder()
                    .setRequestId(new UUID(1, 2))
                    .setStatus(RequestStatus.COMPLETED)
                    .setRegulation(Regulation.GDPR)
                    .setModels(models)
                    .setReceivedAt(at)
                    .setCompletedAt(at)
                    .setAttestation("")
                    .build());
    Topic<String, ErasureReceipt> topic =
        new Topics("lethe.", Map.of("schema.registry.url", "mock://largest")).erasureReceipts();

    byte[] written = topic.valueSerde().serializer().serialize(topic.name(), receipt);

    assertThat(written.length + HEADERS_BYTES).isLessThan(topic.maxMessageBytes());
  }
}
