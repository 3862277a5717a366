package io.lethe.topology;

import io.lethe.batching.BatchingSettings;
import io.lethe.batching.BatchingStores;
import io.lethe.batching.ForgetReader;
import io.lethe.events.ErasureReceipt;
import io.lethe.events.ModelVersion;
import io.lethe.fisher.FisherReader;
import io.lethe.fisher.FisherSource;
import io.lethe.fisher.FisherSums;
import io.lethe.fisher.FisherUnavailableException;
import io.lethe.heldout.ForgetSetUnavailableException;
import io.lethe.heldout.ForgetSource;
import io.lethe.intake.IntakeSettings;
import io.lethe.schemas.client.SchemaRegistryException;
import io.lethe.state.ForgetSet;
import io.lethe.state.ModelState;
import io.lethe.state.RequestState;
import io.lethe.topics.KafkaSettings;
import io.lethe.topics.TopicAdmin;
import io.lethe.topics.Topics;
import io.lethe.tracking.TrackingSettings;
import io.lethe.tracking.TrackingStores;
import java.net.URI;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.function.UnaryOperator;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyQueryMetadata;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.InvalidStateStoreException;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.state.HostInfo;
import org.apache.kafka.streams.state.QueryableStoreTypes;
import org.apache.kafka.streams.state.ReadOnlyKeyValueStore;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The running topology: life cycle, readiness, and reads of the stores of this instance. */
public final class StreamApp implements AutoCloseable, FisherSource, ForgetSource {
  private static final Logger log = LoggerFactory.getLogger(StreamApp.class);
  private static final Duration CLOSE_TIMEOUT = Duration.ofSeconds(10);

  private final URI advertisedUrl;
  private final RegistryPatience patience = RegistryPatience.usual();
  private final KafkaStreams streams;

  /** Creates missing topics and the application; {@link #start} runs it. */
  public StreamApp(
      StreamSettings settings,
      IntakeSettings intake,
      BatchingSettings batching,
      TrackingSettings tracking,
      KafkaSettings kafka,
      Topics topics,
      UnaryOperator<ModelVersion> versionAttestor,
      UnaryOperator<ErasureReceipt> receiptAttestor) {
    advertisedUrl = settings.advertisedUrl();
    Map<String, Integer> partitions =
        new TopicAdmin(kafka).ensure(topics, settings.partitions(), settings.replicationFactor());
    LetheTopology topology =
        new LetheTopology(
            topics,
            partitions,
            intake,
            batching,
            tracking,
            versionAttestor,
            receiptAttestor,
            patience);
    streams =
        new KafkaStreams(topology.build(), new StreamsConfig(config(settings, kafka, topics)));
    streams.setUncaughtExceptionHandler(
        error -> {
          SchemaRegistryException.outage(error)
              .ifPresentOrElse(
                  registry ->
                      log.warn(
                          "a record waits for the schema registry, its stream thread is replaced: {}",
                          registry.getMessage()),
                  () -> log.error("stream thread died and is replaced", error));
          return StreamThreadExceptionResponse.REPLACE_THREAD;
        });
  }

  private static Map<String, Object> config(
      StreamSettings settings, KafkaSettings kafka, Topics topics) {
    Map<String, Object> config = new HashMap<>(StreamTuning.of(settings));
    config.put(StreamsConfig.APPLICATION_ID_CONFIG, settings.applicationId());
    config.put(
        StreamsConfig.APPLICATION_SERVER_CONFIG,
        settings.advertisedUrl().getHost() + ":" + settings.advertisedUrl().getPort());
    config.put(StreamsConfig.STATE_DIR_CONFIG, settings.stateDir().toString());
    config.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, (int) settings.replicationFactor());
    config.put(
        StreamsConfig.mainConsumerPrefix(ConsumerConfig.GROUP_INSTANCE_ID_CONFIG),
        settings.instanceId());
    config.put(
        StreamsConfig.topicPrefix("max.message.bytes"),
        Integer.toString(KafkaSettings.MAX_MESSAGE_BYTES));
    config.put(
        StreamsConfig.DESERIALIZATION_EXCEPTION_HANDLER_CLASS_CONFIG,
        DeadLetterDeserializationHandler.class);
    config.put(
        StreamsConfig.PROCESSING_EXCEPTION_HANDLER_CLASS_CONFIG, DeadLetterProcessingHandler.class);
    config.put(
        StreamsConfig.ERRORS_DEAD_LETTER_QUEUE_TOPIC_NAME_CONFIG, topics.deadLetters().name());
    config.putAll(kafka.streams());
    return config;
  }

  /** Starts processing; returns at once. */
  public void start() {
    streams.start();
  }

  /** Whether this instance processes records: neither starting, restoring nor rebalancing. */
  public boolean isReady() {
    return isReady(streams.state());
  }

  static boolean isReady(KafkaStreams.State state) {
    return state == KafkaStreams.State.RUNNING;
  }

  /** Whether this instance can still become ready. */
  public boolean isAlive() {
    return isAlive(streams.state());
  }

  static boolean isAlive(KafkaStreams.State state) {
    return !state.hasStartedOrFinishedShuttingDown();
  }

  /** Name of Kafka Streams' state, for health and the console. */
  public String state() {
    return streams.state().name();
  }

  /** The streams, for metrics. */
  public KafkaStreams streams() {
    return streams;
  }

  /**
   * Where a key's store is.
   *
   * @param here whether this instance has it
   * @param url the instance that has it; empty while it moves
   */
  public record Place(boolean here, Optional<URI> url) {}

  /** Which instance knows a request. */
  public Place placeOfRequest(String requestId) {
    return place(TrackingStores.REQUESTS_STORE, requestId);
  }

  /** Which instance knows a model. */
  public Place placeOfModel(String modelId) {
    return place(BatchingStores.MODELS_STORE, modelId);
  }

  private Place place(String store, String key) {
    KeyQueryMetadata metadata =
        streams.queryMetadataForKey(store, key, Serdes.String().serializer());
    if (metadata == null || metadata.equals(KeyQueryMetadata.NOT_AVAILABLE)) {
      return new Place(false, Optional.empty());
    }
    HostInfo owner = metadata.activeHost();
    boolean here =
        owner.host().equals(advertisedUrl.getHost()) && owner.port() == advertisedUrl.getPort();
    return new Place(
        here,
        Optional.of(
            URI.create(advertisedUrl.getScheme() + "://" + owner.host() + ":" + owner.port())));
  }

  /** Where a request stands, if this instance holds it. */
  public Optional<RequestState> request(String requestId) {
    ReadOnlyKeyValueStore<String, RequestState> requests = store(TrackingStores.REQUESTS_STORE);
    return Optional.ofNullable(requests.get(requestId));
  }

  /** Where a model stands, if this instance holds it. */
  public Optional<ModelState> model(String modelId) {
    ReadOnlyKeyValueStore<String, ModelState> models = store(BatchingStores.MODELS_STORE);
    return Optional.ofNullable(models.get(modelId));
  }

  @Override
  public FisherSums sums(String modelId, String anchorId) {
    try {
      return new FisherReader(store(BatchingStores.FISHER_STORE))
          .sums(modelId, anchorId)
          .orElseThrow(
              () ->
                  new FisherUnavailableException(
                      "this instance has no whole Fisher sums of the model", null));
    } catch (InvalidStateStoreException e) {
      throw new FisherUnavailableException("the stores are not open: " + state(), e);
    }
  }

  @Override
  public ForgetSet forgetSet(String modelId, String anchorId, UUID jobId) {
    try {
      return new ForgetReader(
              store(BatchingStores.MODELS_STORE),
              store(BatchingStores.JOBS_STORE),
              store(BatchingStores.ERASED_STORE),
              store(BatchingStores.HELDOUT_STORE))
          .read(modelId, anchorId, jobId);
    } catch (InvalidStateStoreException e) {
      throw new ForgetSetUnavailableException("the stores are not open: " + state(), e);
    }
  }

  /** Stops within 10 s; what is in flight is processed again after the next start. */
  @Override
  public void close() {
    patience.end();
    streams.close(CLOSE_TIMEOUT);
  }

  private <K, V> ReadOnlyKeyValueStore<K, V> store(String name) {
    return streams.store(
        StoreQueryParameters.fromNameAndType(name, QueryableStoreTypes.<K, V>keyValueStore()));
  }
}
