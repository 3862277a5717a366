package io.lethe.worker;

import io.lethe.events.DatasetLineage;
import io.lethe.events.DeepCleanParameters;
import io.lethe.events.DeletionRequest;
import io.lethe.events.Evaluation;
import io.lethe.events.FisherUpdateKind;
import io.lethe.events.GateThresholds;
import io.lethe.events.JobKind;
import io.lethe.events.JobOutcome;
import io.lethe.events.LineageKey;
import io.lethe.events.ModelFormat;
import io.lethe.events.ModelRegistered;
import io.lethe.events.Selector;
import io.lethe.events.SelectorKind;
import io.lethe.events.SetMetrics;
import io.lethe.events.UnlearningJob;
import io.lethe.events.UnlearningPolicy;
import io.lethe.events.Verdict;
import io.lethe.fisher.FisherDiagonal;
import io.lethe.topics.EventProducer;
import io.lethe.topics.Topics;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * Models that cost nothing: the squared gradients of a sample are small whole numbers drawn from
 * its name, so that every sum of them is exact in float32 and can be made again from names alone. A
 * diagonal is several chunks. Each data subject has {@value #SAMPLES_EACH} samples in one model.
 */
final class FakeModels {
  static final int SAMPLES_EACH = 2;

  /** Samples of each model that belong to nobody who asks. */
  static final int OTHERS = 50;

  /** Each of them is a chunk, and a record of its own. */
  private static final int TENSORS = 8;

  private static final int VALUES_EACH = 2;
  private static final int LARGEST = 7;
  private static final Evaluation EVALUATION =
      Evaluation.newBuilder()
          .setForget(metrics(0.5, 1))
          .setRetain(metrics(0.9, 0.1))
          .setHoldout(metrics(0.8, 0.2))
          .setMembershipAuc(0.5)
          .build();

  private final int models;
  private final int subjects;

  /**
   * @param subjects of all models together; the subject's number modulo the models is its model
   */
  FakeModels(int models, int subjects) {
    this.models = models;
    this.subjects = subjects;
  }

  int models() {
    return models;
  }

  static String modelId(int model) {
    return "model-" + model;
  }

  static String anchorId(String modelId) {
    return "%064x".formatted(modelId.hashCode() & 0xffffffffL);
  }

  String modelOf(int subject) {
    return modelId(subject % models);
  }

  static List<String> samplesOf(int subject) {
    return IntStream.range(0, SAMPLES_EACH).mapToObj(i -> "s" + subject + "-" + i).toList();
  }

  /** Every sample that the model was trained on. */
  List<String> samplesOf(String modelId) {
    Stream<String> asked =
        IntStream.range(0, subjects)
            .filter(subject -> modelOf(subject).equals(modelId))
            .boxed()
            .flatMap(subject -> samplesOf(subject).stream());
    return Stream.concat(asked, IntStream.range(0, OTHERS).mapToObj(i -> "other-" + i)).toList();
  }

  /** The sum over samples, exact. */
  static FisherDiagonal sums(Collection<String> samples) {
    float[][] values = new float[TENSORS][VALUES_EACH];
    for (String sample : samples) {
      byte[] bytes =
          UUID.nameUUIDFromBytes(sample.getBytes(StandardCharsets.UTF_8))
              .toString()
              .replace("-", "")
              .getBytes(StandardCharsets.UTF_8);
      for (int i = 0; i < TENSORS * VALUES_EACH; i++) {
        values[i / VALUES_EACH][i % VALUES_EACH] += bytes[i] % (LARGEST + 1);
      }
    }
    return new FisherDiagonal(
        IntStream.range(0, TENSORS)
            .mapToObj(
                i ->
                    new FisherDiagonal.Tensor(
                        "weight-" + i, List.of((long) VALUES_EACH), values[i]))
            .toList(),
        samples.size());
  }

  /** What a worker does in place of unlearning. */
  JobResult run(UnlearningJob job) {
    boolean anchor = job.getKind() == JobKind.ANCHOR;
    FisherDiagonal sums = sums(anchor ? samplesOf(job.getModelId()) : job.getSampleIds());
    JobOutcome.Builder outcome =
        JobOutcome.newBuilder()
            .setJobId(job.getJobId())
            .setKind(job.getKind())
            .setModelId(job.getModelId())
            .setAttempt(job.getAttempt())
            .setVerdict(Verdict.RELEASE)
            .setFisherSamples(Math.toIntExact(sums.samples()))
            .setWorker("fake")
            .setFinishedAt(Clock.systemUTC().instant());
    if (!anchor) {
      outcome
          .setArtifactUri("file:/fake/" + job.getJobId())
          .setArtifactSha256("b".repeat(64))
          .setMethod("fake")
          .setSelectedFraction(0.0)
          .setBefore(EVALUATION)
          .setAfter(EVALUATION);
    }
    return new JobResult(
        outcome.build(),
        Optional.of(
            new JobResult.Update(
                anchor ? FisherUpdateKind.SNAPSHOT : FisherUpdateKind.SUBTRACT, sums)));
  }

  /** Registers the models and says whose samples are whose. */
  void publish(EventProducer producer, Topics topics, int maxRequests, Duration maxAge) {
    for (int subject = 0; subject < subjects; subject++) {
      var unused =
          producer.send(
              topics.datasetLineage(),
              new LineageKey("subject-" + subject, "data-of-" + modelOf(subject)),
              new DatasetLineage(
                  "subject-" + subject,
                  "data-of-" + modelOf(subject),
                  samplesOf(subject),
                  Clock.systemUTC().instant()));
    }
    for (int model = 0; model < models; model++) {
      String modelId = modelId(model);
      var unused =
          producer.send(
              topics.models(),
              modelId,
              ModelRegistered.newBuilder()
                  .setModelId(modelId)
                  .setFormat(ModelFormat.DJL)
                  .setArtifactUri("file:/fake/" + modelId)
                  .setArtifactSha256(anchorId(modelId))
                  .setDatasetId("data-of-" + modelId)
                  .setDatasetUri("synthetic:digits")
                  .setPolicy(
                      UnlearningPolicy.newBuilder()
                          .setMaxRequests(maxRequests)
                          .setMaxAgeMillis(maxAge.toMillis())
                          .setMaxAttempts(1_000)
                          .setDeepclean(DeepCleanParameters.newBuilder().setQuantile(0.1).build())
                          .setGate(GateThresholds.newBuilder().build())
                          .build())
                  .setRegisteredAt(Clock.systemUTC().instant())
                  .build());
    }
    producer.flush();
  }

  /** Asks that a subject be forgotten; returns when the broker has it. */
  static UUID request(EventProducer producer, Topics topics, int subject) {
    UUID id = UUID.randomUUID();
    producer
        .send(
            topics.deletionRequests(),
            "subject-" + subject,
            DeletionRequest.newBuilder()
                .setRequestId(id)
                .setSelector(
                    Selector.newBuilder()
                        .setKind(SelectorKind.SUBJECT)
                        .setSubjectId("subject-" + subject)
                        .build())
                .setReceivedAt(Clock.systemUTC().instant())
                .build())
        .join();
    return id;
  }

  private static SetMetrics metrics(double accuracy, double loss) {
    return SetMetrics.newBuilder().setAccuracy(accuracy).setLoss(loss).setSamples(10).build();
  }
}
