package io.lethe.bench;

import io.lethe.events.Evaluation;
import io.lethe.events.FisherChunk;
import io.lethe.events.FisherCommit;
import io.lethe.events.FisherKey;
import io.lethe.events.FisherUpdateKind;
import io.lethe.events.JobKind;
import io.lethe.events.JobOutcome;
import io.lethe.events.SetMetrics;
import io.lethe.events.UnlearningJob;
import io.lethe.events.Verdict;
import io.lethe.fisher.FisherChunks;
import io.lethe.fisher.FisherDiagonal;
import io.lethe.topics.KafkaSettings;
import io.lethe.topics.TopicReader;
import io.lethe.topics.Topics;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;

/**
 * Plays the workers: answers each job at once with a Fisher update and RELEASE, so that what is
 * measured is the streams. ANCHOR gets the diagonal that the bench supplies, UNLEARN one of the
 * same tensors.
 */
final class Responder implements AutoCloseable {
  private static final Duration POLL = Duration.ofMillis(50);
  private static final Evaluation EVALUATION =
      Evaluation.newBuilder()
          .setForget(metrics(0.5, 1))
          .setRetain(metrics(0.9, 0.1))
          .setHoldout(metrics(0.8, 0.2))
          .setMembershipAuc(0.5)
          .build();
  private static final String DIGEST = "b".repeat(64);

  private final KafkaSettings kafka;
  private final Topics topics;
  private final Function<UnlearningJob, FisherDiagonal> diagonals;
  private final Sender sender;
  private final Thread thread = new Thread(this::answer, "lethe-bench-responder");
  private volatile boolean stopping;

  private Responder(
      KafkaSettings kafka, Topics topics, Function<UnlearningJob, FisherDiagonal> diagonals) {
    this.kafka = kafka;
    this.topics = topics;
    this.diagonals = diagonals;
    this.sender = new Sender(kafka);
  }

  /**
   * @param diagonals sums of a job, over as many samples as it needs
   */
  static Responder start(
      KafkaSettings kafka, Topics topics, Function<UnlearningJob, FisherDiagonal> diagonals) {
    Responder responder = new Responder(kafka, topics, diagonals);
    responder.thread.setDaemon(true);
    responder.thread.start();
    return responder;
  }

  private void answer() {
    try (TopicReader<String, UnlearningJob> jobs =
        new TopicReader<>(kafka, topics.unlearningJobs())) {
      while (!stopping) {
        jobs.poll(POLL).forEach(event -> answer(event.value()));
      }
    }
  }

  private void answer(UnlearningJob job) {
    send(job, diagonals.apply(job));
    JobOutcome.Builder outcome =
        JobOutcome.newBuilder()
            .setJobId(job.getJobId())
            .setKind(job.getKind())
            .setModelId(job.getModelId())
            .setAttempt(job.getAttempt())
            .setVerdict(Verdict.RELEASE)
            .setWorker("bench")
            .setFinishedAt(Instant.now());
    if (job.getKind() == JobKind.UNLEARN) {
      outcome
          .setArtifactUri("file:/bench/" + job.getJobId())
          .setArtifactSha256(DIGEST)
          .setMethod("bench")
          .setSelectedFraction(0.0)
          .setBefore(EVALUATION)
          .setAfter(EVALUATION);
    }
    sender.send(topics.jobOutcomes(), job.getModelId(), outcome.build());
    sender.flush();
  }

  private void send(UnlearningJob job, FisherDiagonal sums) {
    AtomicInteger chunks = new AtomicInteger();
    FisherChunks.split(
        sums,
        chunk -> {
          chunks.incrementAndGet();
          send(
              record(job)
                  .setTensor(chunk.tensor())
                  .setChunk(chunk.index())
                  .setData(ByteBuffer.wrap(chunk.data()))
                  .setCrc32c(FisherChunks.crc32c(chunk.data()))
                  .build());
        });
    send(
        record(job)
            .setTensor("")
            .setChunk(0)
            .setData(ByteBuffer.allocate(0))
            .setCrc32c(0)
            .setCommit(new FisherCommit(FisherChunks.layout(sums), chunks.get(), sums.samples()))
            .build());
  }

  private void send(FisherChunk chunk) {
    sender.send(
        topics.fisherUpdates(),
        new FisherKey(chunk.getModelId(), chunk.getAnchorId(), chunk.getTensor(), chunk.getChunk()),
        chunk);
  }

  private static FisherChunk.Builder record(UnlearningJob job) {
    return FisherChunk.newBuilder()
        .setJobId(job.getJobId())
        .setModelId(job.getModelId())
        .setAnchorId(job.getAnchorId())
        .setKind(
            job.getKind() == JobKind.ANCHOR
                ? FisherUpdateKind.SNAPSHOT
                : FisherUpdateKind.SUBTRACT);
  }

  @Override
  public void close() {
    stopping = true;
    try {
      thread.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    sender.close();
  }

  private static SetMetrics metrics(double accuracy, double loss) {
    return SetMetrics.newBuilder().setAccuracy(accuracy).setLoss(loss).setSamples(10).build();
  }
}
