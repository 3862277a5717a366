package io.lethe.topology;

import io.lethe.batching.BatchingOutput;
import io.lethe.batching.BatchingProcessors;
import io.lethe.batching.BatchingSettings;
import io.lethe.batching.BatchingStores;
import io.lethe.events.DatasetLineage;
import io.lethe.events.DeletionRequest;
import io.lethe.events.ErasureReceipt;
import io.lethe.events.HeldOutChunk;
import io.lethe.events.HeldOutKey;
import io.lethe.events.JobProgress;
import io.lethe.events.LineageKey;
import io.lethe.events.ModelRegistered;
import io.lethe.events.ModelVersion;
import io.lethe.events.RequestCommand;
import io.lethe.events.RequestSignal;
import io.lethe.intake.IntakeOutput;
import io.lethe.intake.IntakeProcessors;
import io.lethe.intake.IntakeSettings;
import io.lethe.intake.IntakeStores;
import io.lethe.schemas.serde.StateSerde;
import io.lethe.state.ErasureTask;
import io.lethe.state.RequestEvent;
import io.lethe.state.RequestEvents;
import io.lethe.streams.StateStores;
import io.lethe.topics.Topic;
import io.lethe.topics.Topics;
import io.lethe.tracking.TrackingOutput;
import io.lethe.tracking.TrackingProcessors;
import io.lethe.tracking.TrackingSettings;
import io.lethe.tracking.TrackingStores;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.avro.specific.SpecificRecord;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Named;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.processor.StreamPartitioner;
import org.apache.kafka.streams.state.StoreBuilder;

/**
 * The topology: intake by subject, batching by model, tracking by request, joined by internal
 * topics (erasure tasks, the broadcast of models, events of requests).
 *
 * <p>Registered models reach intake by a topic that is broadcast to each partition rather than by a
 * global table: a global table is updated outside of the transaction and has no processor, so a
 * request that waits for a model could not be woken by it.
 */
public final class LetheTopology {
  private static final String[] INTAKE_STORES =
      names(IntakeStores.builders(StateStores.persistent()));
  private static final String[] BATCHING_STORES =
      names(BatchingStores.builders(StateStores.persistent()));
  private static final String[] TRACKING_STORES =
      names(TrackingStores.builders(StateStores.persistent()));

  private final Topics topics;

  /** As read from: the patience is ours. */
  private final Topics sources;

  private final Map<String, Integer> partitions;
  private final IntakeProcessors intake;
  private final BatchingProcessors batching;
  private final TrackingProcessors tracking;
  private final RegistryPatience patience;

  /**
   * @param partitions of the topics, by name
   * @param versionAttestor signs versions, deterministically
   * @param receiptAttestor signs receipts, deterministically
   */
  public LetheTopology(
      Topics topics,
      Map<String, Integer> partitions,
      IntakeSettings intakeSettings,
      BatchingSettings batchingSettings,
      TrackingSettings trackingSettings,
      UnaryOperator<ModelVersion> versionAttestor,
      UnaryOperator<ErasureReceipt> receiptAttestor) {
    this(
        topics,
        partitions,
        intakeSettings,
        batchingSettings,
        trackingSettings,
        versionAttestor,
        receiptAttestor,
        RegistryPatience.usual());
  }

  /**
   * As above.
   *
   * @param patience with a registry that is away
   */
  LetheTopology(
      Topics topics,
      Map<String, Integer> partitions,
      IntakeSettings intakeSettings,
      BatchingSettings batchingSettings,
      TrackingSettings trackingSettings,
      UnaryOperator<ModelVersion> versionAttestor,
      UnaryOperator<ErasureReceipt> receiptAttestor,
      RegistryPatience patience) {
    this.topics = topics;
    this.sources = topics.askingOnce();
    this.partitions = Map.copyOf(partitions);
    this.intake = new IntakeProcessors(intakeSettings);
    this.batching = new BatchingProcessors(batchingSettings, versionAttestor);
    this.tracking = new TrackingProcessors(trackingSettings, receiptAttestor);
    this.patience = patience;
  }

  /** The topology over stores on disk. */
  public Topology build() {
    return build(StateStores.persistent());
  }

  /** The topology over the given kind of stores. */
  public Topology build(StateStores stores) {
    StreamsBuilder builder = new StreamsBuilder();
    IntakeStores.builders(stores).forEach(builder::addStateStore);
    BatchingStores.builders(stores).forEach(builder::addStateStore);
    TrackingStores.builders(stores).forEach(builder::addStateStore);

    KStream<String, ModelRegistered> models =
        routed(
            source(builder, Topics::models, "models"),
            topics.models(),
            "models",
            Serdes.String(),
            StateSerde.of(ModelRegistered.class),
            (key, value) -> key);
    KStream<String, IntakeOutput> fromIntake = intake(builder, models);
    KStream<String, BatchingOutput> fromBatching = batching(builder, models, fromIntake);
    tracking(
        only(fromIntake, "intake-events-only", LetheTopology::event),
        only(fromBatching, "batching-events-only", LetheTopology::events));
    return builder.build();
  }

  private KStream<String, IntakeOutput> intake(
      StreamsBuilder builder, KStream<String, ModelRegistered> models) {
    KStream<String, ModelRegistered> everyModel =
        models.repartition(
            repartitioned("models-broadcast", ModelRegistered.class, topics.deletionRequests())
                .withStreamPartitioner(toEveryPartition()));
    return routed(
            source(builder, Topics::deletionRequests, "deletion-requests"),
            topics.deletionRequests(),
            "deletion-requests",
            Serdes.String(),
            StateSerde.of(DeletionRequest.class),
            LetheTopology::keyOf)
        .process(intake.requests(), Named.as("intake-requests"), INTAKE_STORES)
        .merge(
            routed(
                    source(builder, Topics::datasetLineage, "dataset-lineage"),
                    topics.datasetLineage(),
                    "dataset-lineage",
                    StateSerde.of(LineageKey.class),
                    StateSerde.of(DatasetLineage.class),
                    (key, value) -> key)
                .process(intake.lineage(), Named.as("intake-lineage"), INTAKE_STORES),
            Named.as("intake-merge-lineage"))
        .merge(
            everyModel.process(intake.models(), Named.as("intake-models"), INTAKE_STORES),
            Named.as("intake-merge-models"))
        .merge(
            source(builder, Topics::requestFeedback, "request-feedback")
                .process(intake.feedback(), Named.as("intake-feedback"), INTAKE_STORES),
            Named.as("intake-merge-feedback"));
  }

  private KStream<String, BatchingOutput> batching(
      StreamsBuilder builder,
      KStream<String, ModelRegistered> models,
      KStream<String, IntakeOutput> fromIntake) {
    KStream<String, ErasureTask> tasks =
        only(fromIntake, "intake-tasks-only", LetheTopology::task)
            .repartition(repartitioned("erasure-tasks", ErasureTask.class, topics.models()));
    KStream<String, BatchingOutput> outputs =
        models
            .process(batching.models(), Named.as("batching-models"), BATCHING_STORES)
            .merge(
                tasks.process(batching.tasks(), Named.as("batching-tasks"), BATCHING_STORES),
                Named.as("batching-merge-tasks"))
            .merge(
                source(builder, Topics::jobOutcomes, "job-outcomes")
                    .process(batching.outcomes(), Named.as("batching-outcomes"), BATCHING_STORES),
                Named.as("batching-merge-outcomes"))
            .merge(
                source(builder, Topics::fisherUpdates, "fisher-updates")
                    .process(
                        batching.fisherUpdates(), Named.as("batching-fisher"), BATCHING_STORES),
                Named.as("batching-merge-fisher"))
            .merge(
                source(builder, Topics::modelCommands, "model-commands")
                    .process(batching.commands(), Named.as("batching-commands"), BATCHING_STORES),
                Named.as("batching-merge-commands"))
            .merge(
                source(builder, Topics::heldoutTargets, "heldout-targets")
                    .process(
                        batching.heldoutTargets(), Named.as("batching-heldout"), BATCHING_STORES),
                Named.as("batching-merge-heldout"))
            .merge(
                source(builder, Topics::jobProgress, "job-progress")
                    .selectKey(
                        (jobId, progress) -> progress.getModelId(),
                        Named.as("job-progress-by-model-key"))
                    .repartition(
                        repartitioned("job-progress-by-model", JobProgress.class, topics.models()))
                    .process(batching.progress(), Named.as("batching-progress"), BATCHING_STORES),
                Named.as("batching-merge-progress"));
    publish(
        only(outputs, "batching-jobs-only", LetheTopology::job),
        topics.unlearningJobs(),
        "unlearning-jobs");
    publish(
        only(outputs, "batching-versions-only", LetheTopology::version),
        topics.modelVersions(),
        "model-versions");
    retract(only(outputs, "batching-retractions-only", LetheTopology::retraction));
    return outputs;
  }

  /** Deletes records of held-out targets from their topic. */
  private void retract(KStream<String, HeldOutKey> keys) {
    Topic<HeldOutKey, HeldOutChunk> topic = topics.heldoutTargets();
    keys.map(
            (modelId, key) -> KeyValue.pair(key, (HeldOutChunk) null),
            Named.as("heldout-retractions"))
        .to(
            topic.name(),
            produced(topic, "heldout-retractions")
                .withStreamPartitioner(
                    (name, key, value, count) -> Optional.of(Set.of(topic.partition(key, count)))));
  }

  private void tracking(
      KStream<String, RequestEvent> fromIntake,
      KStream<String, BatchingOutput.Events> fromBatching) {
    int count = partitions.get(topics.erasureReceipts().name());
    // Two topics, not one merged stream: a common node would make one sub-topology of all three.
    KStream<String, TrackingOutput> outputs =
        fromIntake
            .repartition(
                repartitioned("intake-events", RequestEvent.class, topics.erasureReceipts()))
            .process(tracking.intakeEvents(), Named.as("tracking-intake-events"), TRACKING_STORES)
            .merge(
                fromBatching
                    .process(
                        () ->
                            new EventGroups.Together(
                                id -> topics.erasureReceipts().partition(id, count)),
                        Named.as("batching-events-together"))
                    .repartition(
                        repartitioned(
                                "batching-events", RequestEvents.class, topics.erasureReceipts())
                            .withStreamPartitioner(EventGroups.partitioner()))
                    .process(EventGroups.Apart::new, Named.as("batching-events-apart"))
                    .process(
                        tracking.batchingEvents(),
                        Named.as("tracking-batching-events"),
                        TRACKING_STORES),
                Named.as("tracking-merge"));
    publish(
        only(outputs, "tracking-receipts-only", LetheTopology::receipt),
        topics.erasureReceipts(),
        "erasure-receipts");
    publish(
        only(outputs, "tracking-signals-only", LetheTopology::signal),
        topics.requestSignals(),
        "request-signals");
    only(outputs, "tracking-undeliverable-only", LetheTopology::undeliverable)
        .process(
            () -> new UndeliverableCommands(topics.deletionRequests()),
            Named.as("tracking-undeliverable"))
        .to(topics.deadLetters().name(), produced(topics.deadLetters(), "tracking-dead-letters"));
    // A topic of its own: what the builder calls a repartition cannot lead back to an earlier node.
    only(outputs, "tracking-feedback-only", LetheTopology::feedback)
        .to(
            topics.requestFeedback().name(),
            produced(topics.requestFeedback(), "request-feedback")
                .withStreamPartitioner(toIntakePartition()));
  }

  /**
   * Where a request belongs, whatever key it came under: with its subject's lineage; without a
   * subject where all that come under its id meet, so that one that is sent again is known.
   */
  static String keyOf(String key, DeletionRequest request) {
    return request.getCommand() == RequestCommand.ERASE
        ? request.getSelector().getSubjectId().orElseGet(() -> request.getRequestId().toString())
        : key;
  }

  /** Sends the records that lie on a wrong partition, and only those, through a topic of ours. */
  private <K, V> KStream<K, V> routed(
      KStream<K, V> stream,
      Topic<K, V> topic,
      String name,
      Serde<K> keySerde,
      Serde<V> valueSerde,
      BiFunction<K, V, K> keyOf) {
    int count = partitions.get(topic.name());
    KStream<K, Routing.Routed<V>> routed =
        stream.process(() -> new Routing<>(topic, count, keyOf), Named.as(name + "-routing"));
    KStream<K, V> rerouted =
        routed
            .filterNot((key, record) -> record.home(), Named.as(name + "-misrouted-only"))
            .mapValues(Routing.Routed::value, Named.as(name + "-misrouted-value"))
            .repartition(
                Repartitioned.<K, V>as(name + "-misrouted")
                    .withKeySerde(keySerde)
                    .withValueSerde(valueSerde)
                    .withNumberOfPartitions(count)
                    .withStreamPartitioner(
                        (ignored, key, value, actual) ->
                            Optional.of(Set.of(topic.partition(key, actual)))));
    return routed
        .filter((key, record) -> record.home(), Named.as(name + "-home-only"))
        .mapValues(Routing.Routed::value, Named.as(name + "-home-value"))
        .merge(rerouted, Named.as(name + "-routed"));
  }

  private static Optional<ErasureTask> task(IntakeOutput output) {
    return output instanceof IntakeOutput.Task task ? Optional.of(task.task()) : Optional.empty();
  }

  private static Optional<RequestEvent> event(IntakeOutput output) {
    return output instanceof IntakeOutput.Event event
        ? Optional.of(event.event())
        : Optional.empty();
  }

  private static Optional<io.lethe.events.UnlearningJob> job(BatchingOutput output) {
    return output instanceof BatchingOutput.Job job ? Optional.of(job.job()) : Optional.empty();
  }

  private static Optional<ModelVersion> version(BatchingOutput output) {
    return output instanceof BatchingOutput.Version version
        ? Optional.of(version.version())
        : Optional.empty();
  }

  private static Optional<HeldOutKey> retraction(BatchingOutput output) {
    return output instanceof BatchingOutput.Retraction retraction
        ? Optional.of(retraction.key())
        : Optional.empty();
  }

  private static Optional<BatchingOutput.Events> events(BatchingOutput output) {
    return output instanceof BatchingOutput.Events events ? Optional.of(events) : Optional.empty();
  }

  private static Optional<ErasureReceipt> receipt(TrackingOutput output) {
    return output instanceof TrackingOutput.Receipt receipt
        ? Optional.of(receipt.receipt())
        : Optional.empty();
  }

  private static Optional<RequestSignal> signal(TrackingOutput output) {
    return output instanceof TrackingOutput.Signal signal
        ? Optional.of(signal.signal())
        : Optional.empty();
  }

  private static Optional<RequestEvent> feedback(TrackingOutput output) {
    return output instanceof TrackingOutput.Feedback feedback
        ? Optional.of(feedback.event())
        : Optional.empty();
  }

  private static Optional<TrackingOutput.Undeliverable> undeliverable(TrackingOutput output) {
    return output instanceof TrackingOutput.Undeliverable command
        ? Optional.of(command)
        : Optional.empty();
  }

  private static <O, V> KStream<String, V> only(
      KStream<String, O> outputs, String name, Function<O, Optional<V>> kind) {
    return outputs.process(() -> new OneKind<>(kind), Named.as(name));
  }

  private <K, V> KStream<K, V> source(
      StreamsBuilder builder, Function<Topics, Topic<K, V>> which, String name) {
    Topic<K, V> topic = which.apply(sources);
    return builder.stream(
        topic.name(),
        Consumed.with(read(topic, topic.keySerde()), read(topic, topic.valueSerde()))
            .withName(name + "-source"));
  }

  private <T> Serde<T> read(Topic<?, ?> topic, Serde<T> serde) {
    return patience.of(SizeBound.bounded(topic, serde));
  }

  private static <K, V> void publish(KStream<K, V> stream, Topic<K, V> topic, String name) {
    stream
        .processValues(() -> new SizeGuard<>(topic), Named.as(name + "-sized"))
        .to(
            topic.name(),
            Produced.with(topic.keySerde(), Serdes.ByteArray()).withName(name + "-sink"));
  }

  private static <K, V> Produced<K, V> produced(Topic<K, V> topic, String name) {
    return Produced.with(topic.keySerde(), topic.valueSerde()).withName(name + "-sink");
  }

  /** An internal topic with as many partitions as the topic that it meets. */
  private <V extends SpecificRecord> Repartitioned<String, V> repartitioned(
      String name, Class<V> type, Topic<?, ?> partitionedLike) {
    return Repartitioned.<String, V>as(name)
        .withKeySerde(Serdes.String())
        .withValueSerde(StateSerde.of(type))
        .withNumberOfPartitions(partitions.get(partitionedLike.name()));
  }

  private static <V> StreamPartitioner<String, V> toEveryPartition() {
    return (topic, key, value, count) ->
        Optional.of(IntStream.range(0, count).boxed().collect(Collectors.toSet()));
  }

  private static StreamPartitioner<String, RequestEvent> toIntakePartition() {
    return (topic, key, event, count) -> Optional.of(Set.of(event.getIntakePartition()));
  }

  private static String[] names(List<StoreBuilder<?>> stores) {
    return stores.stream().map(StoreBuilder::name).toArray(String[]::new);
  }
}
