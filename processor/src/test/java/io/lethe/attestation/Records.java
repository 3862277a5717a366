package io.lethe.attestation;

import io.lethe.events.ClassMetrics;
import io.lethe.events.ErasureReceipt;
import io.lethe.events.Evaluation;
import io.lethe.events.GateCheck;
import io.lethe.events.Interval;
import io.lethe.events.ModelFormat;
import io.lethe.events.ModelResult;
import io.lethe.events.ModelVersion;
import io.lethe.events.Regulation;
import io.lethe.events.RequestStatus;
import io.lethe.events.SetMetrics;
import java.time.Instant;
import java.util.List;
import java.util.UUID;

/** Records with every field set, without attestation. */
final class Records {
  static final Instant TIME = Instant.parse("2026-01-31T12:00:00.000001Z");

  private Records() {}

  static ModelVersion version(long version, String artifactUri, String sha256) {
    return ModelVersion.newBuilder()
        .setModelId("digits")
        .setVersion(version)
        .setParent(version - 1)
        .setAnchorId("a0")
        .setJobId(new UUID(7, version))
        .setArtifactUri(artifactUri)
        .setArtifactSha256(sha256)
        .setFormat(ModelFormat.DJL)
        .setMethod("deepclean")
        .setSelectedFraction(0.1)
        .setBefore(evaluation(0.99))
        .setAfter(evaluation(0.8))
        .setControl(evaluation(0.9))
        .setChecks(
            List.of(
                new GateCheck(
                    "holdoutDrop", 0.01, 0.02, true, -0.02, new Interval(0.0, 0.03), false, true)))
        .setRequests(2)
        .setSamples(30)
        .setErasedSamples((int) (30 * version))
        .setPublishedAt(TIME)
        .setAttestation("")
        .build();
  }

  static ErasureReceipt receipt(ModelVersion version) {
    return ErasureReceipt.newBuilder()
        .setRequestId(new UUID(1, 2))
        .setStatus(RequestStatus.COMPLETED)
        .setReason("none")
        .setFollowUpOf(new UUID(3, 4))
        .setSentAs(new UUID(5, 6))
        .setRegulation(Regulation.GDPR)
        .setModels(
            List.of(
                ModelResult.newBuilder()
                    .setModelId(version.getModelId())
                    .setVersion(version.getVersion())
                    .setArtifactSha256(version.getArtifactSha256())
                    .setSamples(15)
                    .setUnlearnedAt(TIME)
                    .setExactVersion(version.getVersion())
                    .build()))
        .setWithdrawnModels(List.of("withdrawn"))
        .setRetiredModels(List.of("retired"))
        .setReceivedAt(TIME)
        .setDueAt(TIME.plusSeconds(60))
        .setUnlearnedAt(TIME)
        .setExactAt(TIME)
        .setCompletedAt(TIME.plusSeconds(30))
        .setAttestation("")
        .build();
  }

  static ErasureReceipt denied() {
    return ErasureReceipt.newBuilder()
        .setRequestId(new UUID(1, 3))
        .setStatus(RequestStatus.DENIED)
        .setReason("no_match")
        .setReceivedAt(TIME)
        .setCompletedAt(TIME)
        .setAttestation("")
        .build();
  }

  private static Evaluation evaluation(double accuracy) {
    Interval interval = new Interval(accuracy - 0.1, accuracy + 0.1);
    SetMetrics metrics =
        SetMetrics.newBuilder()
            .setAccuracy(accuracy)
            .setLoss(1 - accuracy)
            .setSamples(100)
            .setAccuracyInterval(interval)
            .setLossInterval(interval)
            .setClasses(List.of(new ClassMetrics(3, accuracy, 10, interval)))
            .build();
    return Evaluation.newBuilder()
        .setForget(metrics)
        .setRetain(metrics)
        .setHoldout(metrics)
        .setMembershipAuc(0.5)
        .setMembershipAucInterval(interval)
        .setEarlier(metrics)
        .setEarlierMembershipAuc(0.5)
        .setEarlierMembershipAucInterval(interval)
        .setRetainDivergence(0.01)
        .setRetainDivergenceInterval(interval)
        .setRelearnSteps(7)
        .build();
  }
}
