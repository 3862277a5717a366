package io.lethe.topics;

import io.lethe.events.DatasetLineage;
import io.lethe.events.DeletionRequest;
import io.lethe.events.ErasureReceipt;
import io.lethe.events.FisherChunk;
import io.lethe.events.HeldOutChunk;
import io.lethe.events.JobOutcome;
import io.lethe.events.JobProgress;
import io.lethe.events.ModelCommand;
import io.lethe.events.ModelRegistered;
import io.lethe.events.ModelVersion;
import io.lethe.events.RequestCommand;
import io.lethe.events.RequestSignal;
import io.lethe.events.UnlearningJob;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import org.apache.avro.specific.SpecificRecord;

/**
 * The CloudEvents 1.0 attributes of an event, and the one place that derives them. None names a
 * data subject or a sample: headers are logged, traced and indexed where bodies are not.
 *
 * <p>Source and id together name an occurrence. Where an occurrence can be written twice, after a
 * crash or by a second worker, its id is derived from the event, so that the copies can be told.
 *
 * @param id derived from the event, except that of lineage: what would identify it is the data
 *     subject, so it gets a random one
 * @param source the part of the program that says it, a URI reference
 * @param type the Avro record's full name
 * @param subject the model, request, job or dataset that it is about
 * @param time when it happened; null where the event does not say
 */
record CloudEvent(String id, String source, String type, String subject, Instant time) {
  static final String SPEC_VERSION = "1.0";
  static final String CONTENT_TYPE = "application/avro";

  private static final String SOURCE = "/lethe/";
  private static final String STREAM = SOURCE + "stream";
  private static final String WORKER = SOURCE + "worker";
  private static final Map<Class<?>, Attributes<?>> ATTRIBUTES = new LinkedHashMap<>();

  /** How the attributes of one type are derived. */
  interface Attributes<T> {
    CloudEvent of(T event);
  }

  static {
    put(ModelRegistered.class, CloudEvent::modelRegistered);
    put(ModelCommand.class, CloudEvent::modelCommand);
    put(DatasetLineage.class, CloudEvent::datasetLineage);
    put(DeletionRequest.class, CloudEvent::deletionRequest);
    put(UnlearningJob.class, CloudEvent::unlearningJob);
    put(JobProgress.class, CloudEvent::jobProgress);
    put(JobOutcome.class, CloudEvent::jobOutcome);
    put(FisherChunk.class, CloudEvent::fisherChunk);
    put(HeldOutChunk.class, CloudEvent::heldOutChunk);
    put(ModelVersion.class, CloudEvent::modelVersion);
    put(ErasureReceipt.class, CloudEvent::erasureReceipt);
    put(RequestSignal.class, CloudEvent::requestSignal);
  }

  private static <T extends SpecificRecord> void put(Class<T> type, Attributes<T> attributes) {
    ATTRIBUTES.put(type, attributes);
  }

  /**
   * How the attributes of a type are derived.
   *
   * @throws IllegalArgumentException if the type has not been given any: a new event has to be told
   *     here what may be said of it in headers
   */
  // Only put() fills the map.
  @SuppressWarnings("unchecked")
  static <T extends SpecificRecord> Attributes<T> attributesOf(Class<T> type) {
    Attributes<?> attributes = ATTRIBUTES.get(type);
    if (attributes == null) {
      throw new IllegalArgumentException(
          type.getName() + " has no CloudEvents attributes: give it some in CloudEvent");
    }
    return (Attributes<T>) attributes;
  }

  /** Every type that has attributes. */
  static Set<Class<?>> types() {
    return ATTRIBUTES.keySet();
  }

  private static CloudEvent modelRegistered(ModelRegistered event) {
    return new CloudEvent(
        event.getModelId() + "@" + event.getRegisteredAt(),
        SOURCE + "models",
        typeOf(event),
        event.getModelId(),
        event.getRegisteredAt());
  }

  private static CloudEvent modelCommand(ModelCommand event) {
    return new CloudEvent(
        event.getModelId() + "/" + event.getCommand() + "@" + event.getGivenAt(),
        SOURCE + "models",
        typeOf(event),
        event.getModelId(),
        event.getGivenAt());
  }

  private static CloudEvent datasetLineage(DatasetLineage event) {
    return new CloudEvent(
        UUID.randomUUID().toString(),
        SOURCE + "lineage",
        typeOf(event),
        event.getDatasetId(),
        event.getRecordedAt());
  }

  private static CloudEvent deletionRequest(DeletionRequest event) {
    String requestId = event.getRequestId().toString();
    String id =
        event.getCommand() == RequestCommand.ERASE
            ? requestId
            : requestId + "/" + event.getCommand() + "@" + event.getReceivedAt();
    return new CloudEvent(id, SOURCE + "requests", typeOf(event), requestId, event.getReceivedAt());
  }

  private static CloudEvent unlearningJob(UnlearningJob event) {
    return new CloudEvent(
        event.getJobId() + "/" + event.getAttempt(),
        STREAM,
        typeOf(event),
        event.getModelId(),
        event.getCreatedAt());
  }

  private static CloudEvent jobProgress(JobProgress event) {
    return new CloudEvent(
        event.getJobId() + "/" + event.getAttempt() + "/" + event.getAt(),
        worker(event.getWorker()),
        typeOf(event),
        event.getJobId().toString(),
        event.getAt());
  }

  private static CloudEvent jobOutcome(JobOutcome event) {
    return new CloudEvent(
        event.getJobId() + "/" + event.getAttempt() + "/outcome",
        worker(event.getWorker()),
        typeOf(event),
        event.getModelId(),
        event.getFinishedAt());
  }

  private static CloudEvent fisherChunk(FisherChunk event) {
    String part =
        event.getCommit().isPresent() ? "commit" : event.getTensor() + "/" + event.getChunk();
    return new CloudEvent(
        event.getJobId() + "/" + part, WORKER, typeOf(event), event.getModelId(), null);
  }

  private static CloudEvent heldOutChunk(HeldOutChunk event) {
    String part = event.getCommit().isPresent() ? "commit" : Integer.toString(event.getPart());
    return new CloudEvent(
        event.getJobId() + "/heldout/" + part, WORKER, typeOf(event), event.getModelId(), null);
  }

  private static CloudEvent modelVersion(ModelVersion event) {
    return new CloudEvent(
        event.getModelId() + "@" + event.getVersion(),
        STREAM,
        typeOf(event),
        event.getModelId(),
        event.getPublishedAt());
  }

  private static CloudEvent erasureReceipt(ErasureReceipt event) {
    String id = event.getRequestId().toString();
    return new CloudEvent(id, STREAM, typeOf(event), id, event.getCompletedAt());
  }

  private static CloudEvent requestSignal(RequestSignal event) {
    String requestId = event.getRequestId().toString();
    return new CloudEvent(
        requestId + "/" + event.getKind() + "@" + event.getDueAt(),
        STREAM,
        typeOf(event),
        requestId,
        event.getAt());
  }

  private static String typeOf(SpecificRecord event) {
    return event.getSchema().getFullName();
  }

  private static String worker(String id) {
    return WORKER + "/" + URLEncoder.encode(id, StandardCharsets.UTF_8).replace("+", "%20");
  }
}
