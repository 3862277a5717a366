package io.lethe.worker;

import io.lethe.events.UnlearningJob;
import io.lethe.fisher.FisherSource;
import io.lethe.heldout.ForgetSource;
import io.lethe.schemas.client.SchemaRegistryException;
import io.lethe.topics.EventProducer;
import io.lethe.topics.KafkaSettings;
import io.lethe.topics.Topics;
import io.lethe.topics.TraceContext;
import io.lethe.unlearning.Progress;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.AuthenticationException;
import org.apache.kafka.common.errors.AuthorizationException;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Takes jobs from the share group, one at a time.
 *
 * <p>One thread polls and renews the lock on the record; another runs the job. A job is
 * acknowledged after its outcome is stored. Acknowledgements are no part of a transaction: a worker
 * that dies between the two leaves a job that is run again, and its second outcome is ignored by
 * its id.
 */
public final class Worker implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(Worker.class);
  private static final Duration IDLE_POLL = Duration.ofMillis(500);

  /** The most that brokers allow. A job that uses them up is offered anew by the topology. */
  private static final int DELIVERY_LIMIT = 10;

  private static final Duration ADMIN_TIMEOUT = Duration.ofSeconds(30);
  private static final Duration PAUSE = Duration.ofSeconds(5);
  private static final Duration STOP_TIMEOUT = Duration.ofSeconds(10);

  private final WorkerSettings settings;
  private final KafkaSettings kafka;
  private final Topics topics;
  private final EventProducer producer;
  private final JobReporter reporter;
  private final Runner runner;
  private final ExecutorService pollThread = Executors.newSingleThreadExecutor(named("lethe-poll"));
  private final ExecutorService jobThread = Executors.newSingleThreadExecutor(named("lethe-job"));
  private final AtomicReference<ReportedProgress> progress = new AtomicReference<>();
  private volatile boolean stopping;
  private volatile boolean failed;

  /** Runs a job to its end, or throws a {@link CancellationException} out of its progress. */
  @FunctionalInterface
  interface Runner {
    JobResult run(UnlearningJob job, Progress progress);
  }

  public Worker(
      WorkerSettings settings,
      KafkaSettings kafka,
      Topics topics,
      FisherSource fisher,
      ForgetSource forget,
      Clock clock) {
    this(
        settings,
        kafka,
        topics,
        new JobRunner(settings, fisher, forget, new LineageSubjects(kafka, topics), clock)::run,
        clock);
  }

  /** A worker that runs jobs in another way. */
  Worker(WorkerSettings settings, KafkaSettings kafka, Topics topics, Runner runner, Clock clock) {
    this.settings = settings;
    this.kafka = kafka;
    this.topics = topics;
    emptyScratch(settings.scratch());
    this.runner = runner;
    this.producer = new EventProducer(kafka);
    this.reporter =
        new JobReporter(producer, topics, settings.id(), clock, settings.fisherEncoding());
  }

  /** Starts taking jobs; returns at once. */
  public void start() {
    var unused = pollThread.submit(this::poll);
  }

  /** False once the worker gave up; it takes no more jobs then. */
  public boolean isAlive() {
    return !failed && !stopping;
  }

  /** Polls for as long as the worker lives: a broker that is away comes back. */
  private void poll() {
    while (!stopping) {
      try {
        pollOnce();
      } catch (WakeupException e) {
        log.debug("woken to stop", e);
      } catch (AuthenticationException | AuthorizationException | ConfigException e) {
        failed = true;
        log.error("the worker may take no jobs and gives up", e);
        return;
      } catch (RuntimeException e) {
        log.warn("the worker lost its connection and tries again", e);
        pause();
      }
    }
  }

  private void pollOnce() {
    try (KafkaShareConsumer<byte[], byte[]> consumer =
        new KafkaShareConsumer<>(
            kafka.shareConsumer(settings.groupId()),
            new ByteArrayDeserializer(),
            new ByteArrayDeserializer())) {
      configureGroup();
      consumer.subscribe(List.of(topics.unlearningJobs().name()));
      new JobLoop(consumer).run();
    }
  }

  private static void pause() {
    try {
      Thread.sleep(PAUSE.toMillis());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** A group starts at the first job, not at the next, and locks for as long as is configured. */
  private void configureGroup() {
    ConfigResource group = new ConfigResource(ConfigResource.Type.GROUP, settings.groupId());
    Map<String, String> wanted =
        Map.of(
            "share.auto.offset.reset",
            "earliest",
            "share.isolation.level",
            "read_committed",
            "share.delivery.count.limit",
            Integer.toString(DELIVERY_LIMIT),
            "share.record.lock.duration.ms",
            Long.toString(settings.lock().toMillis()));
    List<AlterConfigOp> ops =
        wanted.entrySet().stream()
            .map(
                entry ->
                    new AlterConfigOp(
                        new ConfigEntry(entry.getKey(), entry.getValue()),
                        AlterConfigOp.OpType.SET))
            .toList();
    try (Admin admin = Admin.create(kafka.admin())) {
      admin
          .incrementalAlterConfigs(Map.of(group, ops))
          .all()
          .get(ADMIN_TIMEOUT.toSeconds(), TimeUnit.SECONDS);
    } catch (ExecutionException | TimeoutException e) {
      throw new IllegalStateException("cannot configure the share group " + settings.groupId(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while configuring the share group", e);
    }
  }

  /**
   * The poll thread's loop. A renewed record is returned again by each poll, so that the record of
   * a running job is known to be held as long as it keeps coming.
   */
  private final class JobLoop {
    private final KafkaShareConsumer<byte[], byte[]> consumer;
    private Running running;

    JobLoop(KafkaShareConsumer<byte[], byte[]> consumer) {
      this.consumer = consumer;
    }

    void run() {
      while (!stopping) {
        ConsumerRecord<byte[], byte[]> held = poll();
        if (running != null) {
          renewOrEnd(held);
        }
      }
      if (running != null) {
        running.work.cancel(true); // closing the consumer gives its record back
      }
    }

    /** The record of the running job, if this worker still holds it; starts a job when idle. */
    private ConsumerRecord<byte[], byte[]> poll() {
      ConsumerRecord<byte[], byte[]> held = null;
      for (ConsumerRecord<byte[], byte[]> record : consumer.poll(IDLE_POLL)) {
        if (running == null) {
          running = new Running(record, jobThread.submit(() -> work(record)));
        }
        if (running.isFor(record)) {
          held = record;
        } else {
          consumer.acknowledge(record, AcknowledgeType.RELEASE);
        }
      }
      return held;
    }

    private void renewOrEnd(ConsumerRecord<byte[], byte[]> held) {
      AcknowledgeType end = running.await(settings.renewal());
      if (end == null) {
        Optional.ofNullable(progress.get()).ifPresent(ReportedProgress::alive);
      }
      if (held != null) {
        consumer.acknowledge(held, end == null ? AcknowledgeType.RENEW : end);
        commit();
      }
      if (end != null) {
        running = null;
      }
    }

    /** A lock that was lost does no harm: whoever has the job now gets the same result. */
    private void commit() {
      consumer
          .commitSync()
          .values()
          .forEach(
              error ->
                  error.ifPresent(
                      e -> log.warn("an acknowledgement was not taken: {}", e.getMessage())));
    }
  }

  /** A record whose job runs. */
  private record Running(ConsumerRecord<byte[], byte[]> record, Future<AcknowledgeType> work) {
    boolean isFor(ConsumerRecord<byte[], byte[]> other) {
      return record.partition() == other.partition() && record.offset() == other.offset();
    }

    /** How the job ended, or null when it still runs after the given time. */
    AcknowledgeType await(Duration time) {
      try {
        return work.get(time.toMillis(), TimeUnit.MILLISECONDS);
      } catch (TimeoutException e) {
        return null;
      } catch (ExecutionException e) {
        log.error("a job ended without an outcome and is offered again", e.getCause());
        return AcknowledgeType.RELEASE;
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        return AcknowledgeType.RELEASE;
      }
    }
  }

  private AcknowledgeType work(ConsumerRecord<byte[], byte[]> record) {
    UnlearningJob job;
    try {
      job =
          topics
              .unlearningJobs()
              .valueSerde()
              .deserializer()
              .deserialize(record.topic(), record.value());
    } catch (SchemaRegistryException e) {
      log.warn("a job waits for the schema registry", e);
      pause(); // each return counts towards the group's delivery limit
      return AcknowledgeType.RELEASE;
    } catch (SerializationException e) {
      log.error(
          "a job does not decode and is rejected topic={} partition={} offset={}",
          record.topic(),
          record.partition(),
          record.offset(),
          e);
      return AcknowledgeType.REJECT;
    }
    JobReporter traced = reporter.within(TraceContext.of(record.headers()));
    try {
      progress.set(new ReportedProgress(job, traced, () -> stopping, System::nanoTime));
      JobResult result = runner.run(job, progress.get());
      traced.result(job, result);
      return AcknowledgeType.ACCEPT;
    } catch (CancellationException e) {
      log.info("job given back jobId={}", job.getJobId());
      return AcknowledgeType.RELEASE;
    } finally {
      progress.set(null);
    }
  }

  /** Stops within 10 s; a running job is given back to the group. */
  @Override
  public void close() {
    stopping = true;
    pollThread.shutdown();
    jobThread.shutdown();
    try {
      if (!jobThread.awaitTermination(STOP_TIMEOUT.toMillis(), TimeUnit.MILLISECONDS)
          || !pollThread.awaitTermination(STOP_TIMEOUT.toMillis(), TimeUnit.MILLISECONDS)) {
        log.warn("a job did not stop in time; the group offers it again when its lock ends");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    producer.close();
  }

  private static void emptyScratch(Path scratch) {
    try {
      Files.createDirectories(scratch);
      try (DirectoryStream<Path> files = Files.newDirectoryStream(scratch)) {
        for (Path file : files) {
          Files.deleteIfExists(file);
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException("cannot use the scratch folder " + scratch, e);
    }
  }

  private static java.util.concurrent.ThreadFactory named(String name) {
    return task -> {
      Thread thread = new Thread(task, name);
      thread.setDaemon(true);
      return thread;
    };
  }
}
