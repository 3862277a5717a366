package io.lethe.topology;

import io.lethe.attestation.Attestor;
import io.lethe.attestation.SigningKey;
import io.lethe.batching.BatchingSettings;
import io.lethe.batching.BatchingStores;
import io.lethe.batching.ForgetReader;
import io.lethe.events.DatasetLineage;
import io.lethe.events.DeepCleanParameters;
import io.lethe.events.DeletionRequest;
import io.lethe.events.ErasureReceipt;
import io.lethe.events.Evaluation;
import io.lethe.events.FisherChunk;
import io.lethe.events.FisherCommit;
import io.lethe.events.FisherKey;
import io.lethe.events.FisherUpdateKind;
import io.lethe.events.GateThresholds;
import io.lethe.events.HeldOutChunk;
import io.lethe.events.JobOutcome;
import io.lethe.events.JobProgress;
import io.lethe.events.JobStage;
import io.lethe.events.LineageKey;
import io.lethe.events.ModelCommand;
import io.lethe.events.ModelCommandKind;
import io.lethe.events.ModelFormat;
import io.lethe.events.ModelRegistered;
import io.lethe.events.ModelVersion;
import io.lethe.events.Regulation;
import io.lethe.events.RequestCommand;
import io.lethe.events.RequestSignal;
import io.lethe.events.ResolvedClass;
import io.lethe.events.Selector;
import io.lethe.events.SelectorKind;
import io.lethe.events.SetMetrics;
import io.lethe.events.UnlearningJob;
import io.lethe.events.UnlearningPolicy;
import io.lethe.events.Verdict;
import io.lethe.fisher.FisherChunks;
import io.lethe.fisher.FisherDiagonal;
import io.lethe.fisher.FisherReader;
import io.lethe.fisher.FisherSums;
import io.lethe.heldout.HeldOutChunks;
import io.lethe.heldout.HeldOutRows;
import io.lethe.intake.IntakeSettings;
import io.lethe.intake.IntakeStores;
import io.lethe.schemas.serde.StateSerde;
import io.lethe.state.CommandAnswer;
import io.lethe.state.ErasureTask;
import io.lethe.state.ForgetSet;
import io.lethe.state.IntakeRequest;
import io.lethe.state.ModelState;
import io.lethe.state.RequestEvent;
import io.lethe.state.RequestEvents;
import io.lethe.state.RequestState;
import io.lethe.streams.StateStores;
import io.lethe.topics.Topic;
import io.lethe.topics.Topics;
import io.lethe.tracking.TrackingSettings;
import io.lethe.tracking.TrackingStores;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import java.util.UUID;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.TopologyTestDriver;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.test.TestRecord;

/** The topology on a test driver, with a worker that a test plays by hand. */
final class TopologyFixture implements AutoCloseable {
  static final Instant START = Instant.parse("2026-01-31T12:00:00Z");
  static final String SHA = "a".repeat(64);
  static final Duration GRACE = Duration.ofMinutes(10);
  static final Duration PATIENCE = TrackingSettings.DEFAULTS.commandPatience();

  static final IntakeSettings INTAKE =
      new IntakeSettings(GRACE, Duration.ofSeconds(1), 5_000, null);
  private static final Attestors UNSIGNED =
      new Attestors(UnaryOperator.identity(), UnaryOperator.identity());

  final Topics topics = new Topics("lethe.", Map.of("schema.registry.url", "mock://topology"));
  final TopologyTestDriver driver;
  private Instant now;

  TopologyFixture(Path directory) {
    this(directory, signed(directory));
  }

  /** Without signatures, which take most of the time of a short test. */
  static TopologyFixture unsigned(Path directory) {
    return new TopologyFixture(directory, UNSIGNED);
  }

  static TopologyFixture withPartitions(Path directory, int partitions) {
    return new TopologyFixture(directory, UNSIGNED, partitions);
  }

  private record Attestors(
      UnaryOperator<ModelVersion> versions, UnaryOperator<ErasureReceipt> receipts) {}

  private static Attestors signed(Path directory) {
    Attestor attestor = new Attestor(SigningKey.loadOrCreate(directory.resolve("key.pem")));
    return new Attestors(attestor::attest, attestor::attest);
  }

  private TopologyFixture(Path directory, Attestors attestors) {
    this(directory, attestors, 1);
  }

  private TopologyFixture(Path directory, Attestors attestors, int partitions) {
    this(directory, attestors, partitions, INTAKE, TrackingSettings.DEFAULTS, START);
  }

  static TopologyFixture with(Path directory, IntakeSettings intake, TrackingSettings tracking) {
    return new TopologyFixture(directory, UNSIGNED, 1, intake, tracking, START);
  }

  /** Another instance that has restored the stores, as after a restart. */
  TopologyFixture restarted(Path directory, IntakeSettings intake) {
    TopologyFixture next =
        new TopologyFixture(directory, UNSIGNED, 1, intake, TrackingSettings.DEFAULTS, now);
    driver.getAllStateStores().keySet().forEach(name -> copy(name, next));
    return next;
  }

  private void copy(String store, TopologyFixture next) {
    try (KeyValueIterator<Object, Object> all =
        driver.<Object, Object>getKeyValueStore(store).all()) {
      all.forEachRemaining(
          entry -> next.driver.<Object, Object>getKeyValueStore(store).put(entry.key, entry.value));
    }
  }

  private TopologyFixture(
      Path directory,
      Attestors attestors,
      int partitions,
      IntakeSettings intake,
      TrackingSettings tracking,
      Instant start) {
    now = start;
    Properties config = new Properties();
    config.put(StreamsConfig.APPLICATION_ID_CONFIG, "lethe-test");
    config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, "unused:1");
    config.put(StreamsConfig.STATE_DIR_CONFIG, directory.toString());
    config.put(
        StreamsConfig.DESERIALIZATION_EXCEPTION_HANDLER_CLASS_CONFIG,
        DeadLetterDeserializationHandler.class);
    config.put(
        StreamsConfig.PROCESSING_EXCEPTION_HANDLER_CLASS_CONFIG, DeadLetterProcessingHandler.class);
    config.put(
        StreamsConfig.ERRORS_DEAD_LETTER_QUEUE_TOPIC_NAME_CONFIG, topics.deadLetters().name());
    config.put(StreamsConfig.ENSURE_EXPLICIT_INTERNAL_RESOURCE_NAMING_CONFIG, "true");
    driver =
        new TopologyTestDriver(
            topology(topics, attestors, partitions, intake, tracking), config, start);
  }

  static Topology topology(Topics topics, Path directory) {
    return topology(topics, signed(directory), 1, INTAKE, TrackingSettings.DEFAULTS);
  }

  private static Topology topology(
      Topics topics,
      Attestors attestors,
      int count,
      IntakeSettings intake,
      TrackingSettings tracking) {
    Map<String, Integer> partitions = new HashMap<>();
    topics.all().forEach(topic -> partitions.put(topic.name(), count));
    return new LetheTopology(
            topics,
            partitions,
            intake,
            new BatchingSettings(
                Duration.ofSeconds(1),
                Duration.ofSeconds(5),
                Duration.ofHours(1),
                Duration.ofMinutes(10),
                1_000,
                Duration.ofHours(1),
                Duration.ofDays(7)),
            tracking,
            attestors.versions(),
            attestors.receipts())
        .build(StateStores.inMemory());
  }

  void advance(Duration duration) {
    now = now.plus(duration);
    driver.advanceWallClockTime(duration);
  }

  <K, V> void send(Topic<K, V> topic, K key, V value) {
    driver
        .createInputTopic(
            topic.name(), topic.keySerde().serializer(), topic.valueSerde().serializer())
        .pipeInput(key, value, now);
  }

  <K, V> List<KeyValue<K, V>> read(Topic<K, V> topic) {
    return driver
        .createOutputTopic(
            topic.name(), topic.keySerde().deserializer(), topic.valueSerde().deserializer())
        .readKeyValuesToList();
  }

  void register(String modelId, String datasetId, UnlearningPolicy policy) {
    register(modelId, datasetId, policy, SHA);
  }

  void retire(String modelId) {
    send(topics.models(), modelId, null);
  }

  void modelCommand(String modelId, ModelCommandKind command) {
    send(
        topics.modelCommands(),
        modelId,
        ModelCommand.newBuilder().setModelId(modelId).setCommand(command).setGivenAt(now).build());
  }

  void register(String modelId, String datasetId, UnlearningPolicy policy, String sha256) {
    register(registration(modelId, datasetId, policy, sha256).build());
  }

  void register(ModelRegistered registration) {
    send(topics.models(), registration.getModelId(), registration);
  }

  ModelRegistered.Builder registration(
      String modelId, String datasetId, UnlearningPolicy policy, String sha256) {
    return ModelRegistered.newBuilder()
        .setModelId(modelId)
        .setFormat(ModelFormat.DJL)
        .setArtifactUri("file:/models/" + modelId)
        .setArtifactSha256(sha256)
        .setDatasetId(datasetId)
        .setDatasetUri("synthetic:digits")
        .setPolicy(policy)
        .setRegisteredAt(now);
  }

  /** Registers a model and plays its ANCHOR job. */
  void registerAnchored(String modelId, String datasetId, UnlearningPolicy policy) {
    register(modelId, datasetId, policy);
    UnlearningJob job = onlyJob();
    snapshot(job, diagonal(100, 10f, 20f, 30f));
    outcome(job, Verdict.RELEASE);
  }

  static UnlearningPolicy policy(int maxRequests, Duration maxAge) {
    return UnlearningPolicy.newBuilder()
        .setMaxRequests(maxRequests)
        .setMaxAgeMillis(maxAge.toMillis())
        .setDeepclean(DeepCleanParameters.newBuilder().setQuantile(0.1).build())
        .setGate(GateThresholds.newBuilder().build())
        .setMaxAttempts(2)
        .build();
  }

  void lineage(String subjectId, String datasetId, String... samples) {
    send(
        topics.datasetLineage(),
        new LineageKey(subjectId, datasetId),
        new DatasetLineage(subjectId, datasetId, List.of(samples), now));
  }

  void lineageTombstone(String subjectId, String datasetId) {
    send(topics.datasetLineage(), new LineageKey(subjectId, datasetId), null);
  }

  UUID requestSamples(String datasetId, List<String> sampleIds) {
    UUID id = new UUID(7, sampleIds.hashCode());
    send(
        topics.deletionRequests(),
        id.toString(),
        DeletionRequest.newBuilder()
            .setRequestId(id)
            .setSelector(
                Selector.newBuilder()
                    .setKind(SelectorKind.SAMPLES)
                    .setDatasetId(datasetId)
                    .setSampleIds(sampleIds)
                    .build())
            .setReceivedAt(now)
            .build());
    return id;
  }

  UUID request(String subjectId) {
    UUID id =
        UUID.nameUUIDFromBytes((subjectId + now).getBytes(java.nio.charset.StandardCharsets.UTF_8));
    request(id, subjectId);
    return id;
  }

  void request(UUID requestId, String subjectId) {
    requestAt(requestId, subjectId, now);
  }

  void requestAt(UUID requestId, String subjectId, Instant receivedAt) {
    send(
        topics.deletionRequests(),
        subjectId,
        DeletionRequest.newBuilder()
            .setRequestId(requestId)
            .setSelector(
                Selector.newBuilder().setKind(SelectorKind.SUBJECT).setSubjectId(subjectId).build())
            .setRegulation(Regulation.GDPR)
            .setReceivedAt(receivedAt)
            .build());
  }

  /** Sends a command under the key of its request. */
  void command(UUID requestId, String key, RequestCommand command, String reason, Instant dueAt) {
    send(
        topics.deletionRequests(),
        key,
        DeletionRequest.newBuilder()
            .setRequestId(requestId)
            .setCommand(command)
            .setReason(reason)
            .setSelector(Selector.newBuilder().setKind(SelectorKind.SUBJECT).build())
            .setReceivedAt(now)
            .setDueAt(dueAt)
            .build());
  }

  void command(UUID requestId, String key, RequestCommand command) {
    command(requestId, key, command, null, null);
  }

  CommandAnswer lastAnswer(UUID requestId) {
    List<CommandAnswer> commands = requestState(requestId).getCommands();
    return commands.get(commands.size() - 1);
  }

  /** Submits a request of any form. */
  void submit(String key, DeletionRequest request) {
    send(topics.deletionRequests(), key, request);
  }

  /** What intake knows of a request; null: nothing. */
  IntakeRequest intakeRequest(UUID requestId) {
    return driver
        .<String, IntakeRequest>getKeyValueStore(IntakeStores.REQUESTS_STORE)
        .get(requestId.toString());
  }

  /** Says to intake what tracking found out. */
  void feedback(RequestEvent event) {
    send(topics.requestFeedback(), event.getRequestId().toString(), event);
  }

  /** Puts a record on one of the internal topics between the sub-topologies. */
  /** What intake tells tracking. */
  void intakeEvent(RequestEvent event) {
    driver
        .createInputTopic(
            "lethe-test-intake-events-repartition",
            Serdes.String().serializer(),
            StateSerde.of(RequestEvent.class).serializer())
        .pipeInput(event.getRequestId().toString(), event, now);
  }

  /** What models tell tracking. */
  void batchingEvents(RequestEvent... events) {
    driver
        .createInputTopic(
            "lethe-test-batching-events-repartition",
            Serdes.String().serializer(),
            StateSerde.of(RequestEvents.class).serializer())
        .pipeInput("0", new RequestEvents(List.of(events)), now);
  }

  void task(ErasureTask task) {
    driver
        .createInputTopic(
            "lethe-test-erasure-tasks-repartition",
            Serdes.String().serializer(),
            StateSerde.of(ErasureTask.class).serializer())
        .pipeInput(task.getModelId(), task, now);
  }

  /** What intake has asked models for since the last call. */
  List<ErasureTask> tasks() {
    return driver
        .createOutputTopic(
            "lethe-test-erasure-tasks-repartition",
            Serdes.String().deserializer(),
            StateSerde.of(ErasureTask.class).deserializer())
        .readValuesToList();
  }

  List<UnlearningJob> jobs() {
    return read(topics.unlearningJobs()).stream().map(entry -> entry.value).toList();
  }

  UnlearningJob onlyJob() {
    List<UnlearningJob> jobs = jobs();
    if (jobs.size() != 1) {
      throw new AssertionError("one job expected, got " + jobs.size());
    }
    return jobs.get(0);
  }

  List<ModelVersion> versions() {
    return read(topics.modelVersions()).stream().map(entry -> entry.value).toList();
  }

  List<ErasureReceipt> receipts() {
    return read(topics.erasureReceipts()).stream().map(entry -> entry.value).toList();
  }

  List<RequestSignal> signals() {
    return read(topics.requestSignals()).stream().map(entry -> entry.value).toList();
  }

  List<TestRecord<byte[], byte[]>> deadLetterRecords() {
    return driver
        .createOutputTopic(
            topics.deadLetters().name(),
            topics.deadLetters().keySerde().deserializer(),
            topics.deadLetters().valueSerde().deserializer())
        .readRecordsToList();
  }

  int deadLetters() {
    return read(topics.deadLetters()).size();
  }

  /** Plays a whole UNLEARN job. */
  void unlearned(UnlearningJob job) {
    subtract(job, diagonal(job.getSampleIds().size(), 1f, 2f, 3f));
    outcome(job, Verdict.RELEASE);
  }

  /** Plays a whole job of classes, of which the dataset has these samples. */
  void unlearned(UnlearningJob job, Map<String, List<String>> classes) {
    int samples = job.getSampleIds().size() + classes.values().stream().mapToInt(List::size).sum();
    subtract(job, diagonal(samples, 1f, 2f, 3f));
    send(topics.jobOutcomes(), job.getModelId(), outcomeOf(job, classes).build());
  }

  /** The outcome of a job of classes, of which the dataset has these samples. */
  JobOutcome.Builder outcomeOf(UnlearningJob job, Map<String, List<String>> classes) {
    return JobOutcome.newBuilder(outcomeOf(job, Verdict.RELEASE))
        .setResolvedClasses(
            classes.entrySet().stream()
                .map(entry -> new ResolvedClass(entry.getKey(), entry.getValue()))
                .toList());
  }

  /** Asks all models, or those named, to forget classes whole. */
  void requestClasses(UUID requestId, String datasetId, List<String> models, String... labels) {
    requestClasses(requestId, now, datasetId, models, labels);
  }

  void requestClasses(
      UUID requestId, Instant receivedAt, String datasetId, List<String> models, String... labels) {
    submit(
        requestId.toString(),
        DeletionRequest.newBuilder()
            .setRequestId(requestId)
            .setSelector(
                Selector.newBuilder()
                    .setKind(SelectorKind.CLASS)
                    .setDatasetId(datasetId)
                    .setClasses(List.of(labels))
                    .build())
            .setModels(models)
            .setReceivedAt(receivedAt)
            .build());
  }

  void outcome(UnlearningJob job, Verdict verdict) {
    send(topics.jobOutcomes(), job.getModelId(), outcomeOf(job, verdict));
  }

  /** Plays a job that fails as the dataset lacks samples. */
  void lacks(UnlearningJob job, Collection<String> samples) {
    send(
        topics.jobOutcomes(),
        job.getModelId(),
        JobOutcome.newBuilder(outcomeOf(job, Verdict.FAILED))
            .setRetryable(false)
            .setError("the dataset lacks samples that the job names")
            .setUnknownSampleIds(List.copyOf(samples))
            .build());
  }

  JobOutcome outcomeOf(UnlearningJob job, Verdict verdict) {
    Evaluation evaluation =
        Evaluation.newBuilder()
            .setForget(metrics(0.5, 1))
            .setRetain(metrics(0.9, 0.1))
            .setHoldout(metrics(0.8, 0.2))
            .setMembershipAuc(0.5)
            .build();
    return JobOutcome.newBuilder()
        .setJobId(job.getJobId())
        .setKind(job.getKind())
        .setModelId(job.getModelId())
        .setAttempt(job.getAttempt())
        .setVerdict(verdict)
        .setFisherSamples(job.getSampleIds().size())
        .setArtifactUri("file:/models/next")
        .setArtifactSha256("b".repeat(64))
        .setMethod("deepclean")
        .setSelectedFraction(0.1)
        .setBefore(evaluation)
        .setAfter(evaluation)
        .setWorker("test")
        .setFinishedAt(now)
        .build();
  }

  static FisherDiagonal diagonal(long samples, float... values) {
    return new FisherDiagonal(
        List.of(new FisherDiagonal.Tensor("weight", List.of((long) values.length), values)),
        samples);
  }

  void snapshot(UnlearningJob job, FisherDiagonal diagonal) {
    update(job, FisherUpdateKind.SNAPSHOT, diagonal).forEach(this::fisher);
  }

  void subtract(UnlearningJob job, FisherDiagonal diagonal) {
    update(job, FisherUpdateKind.SUBTRACT, diagonal).forEach(this::fisher);
  }

  void fisher(FisherChunk chunk) {
    send(
        topics.fisherUpdates(),
        new FisherKey(chunk.getModelId(), chunk.getAnchorId(), chunk.getTensor(), chunk.getChunk()),
        chunk);
  }

  /** The records of an update, the commit marker last. */
  static List<FisherChunk> update(
      UnlearningJob job, FisherUpdateKind kind, FisherDiagonal diagonal) {
    List<FisherChunk> records = new ArrayList<>();
    FisherChunks.split(
        diagonal,
        chunk ->
            records.add(
                chunk(job, kind)
                    .setTensor(chunk.tensor())
                    .setChunk(chunk.index())
                    .setData(ByteBuffer.wrap(chunk.data()))
                    .setCrc32c(FisherChunks.crc32c(chunk.data()))
                    .build()));
    records.add(
        chunk(job, kind)
            .setCommit(
                new FisherCommit(FisherChunks.layout(diagonal), records.size(), diagonal.samples()))
            .build());
    return records;
  }

  private static FisherChunk.Builder chunk(UnlearningJob job, FisherUpdateKind kind) {
    return FisherChunk.newBuilder()
        .setJobId(job.getJobId())
        .setModelId(job.getModelId())
        .setAnchorId(job.getAnchorId())
        .setKind(kind)
        .setTensor("")
        .setChunk(0)
        .setData(ByteBuffer.allocate(0))
        .setCrc32c(0);
  }

  ModelState model(String modelId) {
    return driver.<String, ModelState>getKeyValueStore(BatchingStores.MODELS_STORE).get(modelId);
  }

  List<String> keys(String store) {
    List<String> keys = new ArrayList<>();
    try (KeyValueIterator<String, Object> all =
        driver.<String, Object>getKeyValueStore(store).all()) {
      all.forEachRemaining(entry -> keys.add(entry.key));
    }
    return keys;
  }

  /** Samples whose held-out targets are stored, of any model and anchor. */
  Set<String> samplesWithTargets() {
    return samplesWithTargets(key -> true);
  }

  /** Samples whose held-out targets are stored, of any anchor of the model. */
  Set<String> samplesWithTargets(String modelId) {
    return samplesWithTargets(key -> key[0].equals(modelId));
  }

  private Set<String> samplesWithTargets(Predicate<String[]> keys) {
    Set<String> samples = new TreeSet<>();
    try (KeyValueIterator<Bytes, byte[]> all =
        driver.<Bytes, byte[]>getKeyValueStore(BatchingStores.HELDOUT_STORE).all()) {
      all.forEachRemaining(
          entry -> {
            String[] key = new String(entry.key.get(), StandardCharsets.UTF_8).split("\u0000");
            if (key[2].equals("rows") && keys.test(key)) {
              samples.add(key[4]);
            }
          });
    }
    return samples;
  }

  boolean isEmpty(String store) {
    try (var all = driver.getKeyValueStore(store).all()) {
      return !all.hasNext();
    }
  }

  RequestState requestState(UUID requestId) {
    return driver
        .<String, RequestState>getKeyValueStore(TrackingStores.REQUESTS_STORE)
        .get(requestId.toString());
  }

  Optional<FisherSums> sums(String modelId) {
    return sums(modelId, SHA);
  }

  Optional<FisherSums> sums(String modelId, String anchorId) {
    return new FisherReader(driver.<Bytes, byte[]>getKeyValueStore(BatchingStores.FISHER_STORE))
        .sums(modelId, anchorId);
  }

  ForgetSet forgetSet(UnlearningJob job) {
    return new ForgetReader(
            driver.getKeyValueStore(BatchingStores.MODELS_STORE),
            driver.getKeyValueStore(BatchingStores.JOBS_STORE),
            driver.getKeyValueStore(BatchingStores.ERASED_STORE),
            driver.getKeyValueStore(BatchingStores.HELDOUT_STORE))
        .read(job.getModelId(), job.getAnchorId(), job.getJobId());
  }

  /** Plays the targets of an ANCHOR job: two classes, the sample's number as its first logit. */
  void targets(UnlearningJob job, String... samples) {
    float[] logits = new float[2 * samples.length];
    for (int i = 0; i < samples.length; i++) {
      logits[2 * i] = i + 1;
    }
    HeldOutChunk commit =
        HeldOutChunks.split(
            new HeldOutChunks.Of(job.getJobId(), job.getModelId(), job.getAnchorId()),
            new HeldOutRows(2, List.of(samples), logits),
            this::heldOut);
    heldOut(commit);
  }

  void heldOut(HeldOutChunk chunk) {
    send(topics.heldoutTargets(), HeldOutChunks.key(chunk), chunk);
  }

  void progress(UnlearningJob job) {
    send(
        topics.jobProgress(),
        job.getJobId().toString(),
        JobProgress.newBuilder()
            .setJobId(job.getJobId())
            .setModelId(job.getModelId())
            .setAttempt(job.getAttempt())
            .setStage(JobStage.REPAIR)
            .setFraction(0.5)
            .setWorker("test")
            .setAt(now)
            .build());
  }

  /** Plays a whole RETRAIN job; its model has the given digest. */
  void retrained(UnlearningJob job, String sha256) {
    retrained(job, sha256, Map.of());
  }

  void retrained(UnlearningJob job, String sha256, Map<String, List<String>> classes) {
    send(
        topics.jobOutcomes(),
        job.getModelId(),
        outcomeOf(job, classes)
            .setArtifactUri("file:/models/" + sha256)
            .setArtifactSha256(sha256)
            .setMethod("retrain")
            .setFisherSamples(0)
            .build());
  }

  @Override
  public void close() {
    driver.close();
  }

  private static SetMetrics metrics(double accuracy, double loss) {
    return SetMetrics.newBuilder().setAccuracy(accuracy).setLoss(loss).setSamples(10).build();
  }
}
