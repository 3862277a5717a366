package io.lethe.worker;

import io.lethe.artifact.ArtifactException;
import io.lethe.events.FisherChunk;
import io.lethe.events.FisherCommit;
import io.lethe.events.FisherEncoding;
import io.lethe.events.FisherKey;
import io.lethe.events.HeldOutChunk;
import io.lethe.events.JobProgress;
import io.lethe.events.JobStage;
import io.lethe.events.UnlearningJob;
import io.lethe.fisher.FisherChunks;
import io.lethe.heldout.HeldOutChunks;
import io.lethe.heldout.HeldOutRows;
import io.lethe.topics.EventProducer;
import io.lethe.topics.Topics;
import io.lethe.topics.TraceContext;
import java.nio.ByteBuffer;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Tells the topics what a job does and what became of it. */
final class JobReporter {
  private static final Logger log = LoggerFactory.getLogger(JobReporter.class);

  private final EventProducer producer;
  private final Topics topics;
  private final String workerId;
  private final Clock clock;
  private final FisherEncoding encoding;
  private final TraceContext trace;

  JobReporter(
      EventProducer producer,
      Topics topics,
      String workerId,
      Clock clock,
      FisherEncoding encoding) {
    this(producer, topics, workerId, clock, encoding, TraceContext.NONE);
  }

  private JobReporter(
      EventProducer producer,
      Topics topics,
      String workerId,
      Clock clock,
      FisherEncoding encoding,
      TraceContext trace) {
    this.producer = producer;
    this.topics = topics;
    this.workerId = workerId;
    this.clock = clock;
    this.encoding = encoding;
    this.trace = trace;
  }

  /** The same reporter for a job with this trace context. */
  JobReporter within(TraceContext trace) {
    return new JobReporter(producer, topics, workerId, clock, encoding, trace);
  }

  /** Says where a job is. A lost sign of life does no harm. */
  void progress(UnlearningJob job, JobStage stage, double fraction, Double samplesPerSecond) {
    var unused =
        producer.send(
            topics.jobProgress(),
            job.getJobId().toString(),
            JobProgress.newBuilder()
                .setJobId(job.getJobId())
                .setModelId(job.getModelId())
                .setAttempt(job.getAttempt())
                .setStage(stage)
                .setFraction(fraction)
                .setSamplesPerSecond(samplesPerSecond)
                .setWorker(workerId)
                .setAt(clock.instant())
                .build(),
            trace);
  }

  /**
   * Sends the outcome, then the updates that go with it; when the broker has all, what only the job
   * itself still needed goes.
   *
   * <p>In this order: the topology waits for all, but it changes the sums as soon as an update is
   * whole. A worker that dies between the two leaves sums that the same job can be run on again.
   *
   * @throws java.util.concurrent.CompletionException when it does not take one of them
   */
  void result(UnlearningJob job, JobResult result) {
    CompletableFuture<?> sent =
        producer.send(topics.jobOutcomes(), job.getModelId(), result.outcome(), trace);
    producer.flush();
    sent.join();
    result.update().ifPresent(update -> send(job, update));
    result.targets().ifPresent(targets -> send(job, targets));
    try {
      result.reported().run();
    } catch (ArtifactException e) {
      log.warn(
          "what a job had kept was not deleted jobId={} modelId={}",
          job.getJobId(),
          job.getModelId(),
          e);
    }
  }

  private void send(UnlearningJob job, JobResult.Update update) {
    int chunks = chunks(job, update);
    FisherCommit commit =
        new FisherCommit(FisherChunks.layout(update.sums()), chunks, update.sums().samples());
    // Only when every chunk is stored: the commit marker is the last record of its update.
    CompletableFuture<?> committed =
        send(
            record(job, update)
                .setTensor("")
                .setChunk(0)
                .setData(ByteBuffer.allocate(0))
                .setCrc32c(0)
                .setCommit(commit)
                .build());
    producer.flush();
    committed.join();
  }

  /** Sends an update but for its commit marker; returns how many records that took. */
  int chunks(UnlearningJob job, JobResult.Update update) {
    List<CompletableFuture<?>> sent = new ArrayList<>();
    FisherChunks.split(
        update.sums(),
        encoding,
        chunk ->
            sent.add(
                send(
                    record(job, update)
                        .setTensor(chunk.tensor())
                        .setChunk(chunk.index())
                        .setData(ByteBuffer.wrap(chunk.data()))
                        .setEncoding(chunk.encoding())
                        .setCrc32c(FisherChunks.crc32c(chunk.data()))
                        .build())));
    producer.flush();
    sent.forEach(CompletableFuture::join);
    return sent.size();
  }

  private void send(UnlearningJob job, HeldOutRows targets) {
    List<CompletableFuture<?>> sent = new ArrayList<>();
    HeldOutChunk commit =
        HeldOutChunks.split(
            new HeldOutChunks.Of(job.getJobId(), job.getModelId(), job.getAnchorId()),
            targets,
            chunk -> sent.add(send(chunk)));
    producer.flush();
    sent.forEach(CompletableFuture::join);
    CompletableFuture<?> committed = send(commit);
    producer.flush();
    committed.join();
  }

  private CompletableFuture<?> send(HeldOutChunk chunk) {
    return producer.send(topics.heldoutTargets(), HeldOutChunks.key(chunk), chunk, trace);
  }

  private CompletableFuture<?> send(FisherChunk chunk) {
    FisherKey key =
        new FisherKey(chunk.getModelId(), chunk.getAnchorId(), chunk.getTensor(), chunk.getChunk());
    return producer.send(topics.fisherUpdates(), key, chunk, trace);
  }

  private static FisherChunk.Builder record(UnlearningJob job, JobResult.Update update) {
    return FisherChunk.newBuilder()
        .setJobId(job.getJobId())
        .setModelId(job.getModelId())
        .setAnchorId(job.getAnchorId())
        .setKind(update.kind());
  }
}
