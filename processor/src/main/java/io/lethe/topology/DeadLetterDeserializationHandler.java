package io.lethe.topology;

import io.lethe.schemas.client.RegistryError;
import io.lethe.schemas.client.SchemaRegistryException;
import io.lethe.topics.DeadLetterHeaders;
import java.util.Optional;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.streams.errors.ErrorHandlerContext;
import org.apache.kafka.streams.errors.LogAndContinueExceptionHandler;

/**
 * Sends what does not decode to the dead letters and goes on, but stops the thread when the schema
 * registry is away for longer than {@link RegistryPatience} waits: such a record is not broken, and
 * it must not be skipped. The thread is replaced and reads the record again.
 */
public final class DeadLetterDeserializationHandler extends LogAndContinueExceptionHandler {
  private static final String STAGE = "decoding";

  @Override
  public Response handleError(
      ErrorHandlerContext context, ConsumerRecord<byte[], byte[]> record, Exception exception) {
    if (registryError(exception).isPresent()) {
      return Response.fail();
    }
    Response response = super.handleError(context, record, exception);
    response
        .deadLetterQueueRecords()
        .forEach(letter -> DeadLetterHeaders.put(letter.headers(), DeadLetterHeaders.STAGE, STAGE));
    return response;
  }

  /**
   * What the registry, rather than a record, has to do with an error. That it answers, and knows no
   * schema of the record's id, is the record's fault: waiting would stop the partition.
   */
  static Optional<SchemaRegistryException> registryError(Throwable error) {
    for (Throwable cause = error; cause != null; cause = cause.getCause()) {
      if (cause instanceof SchemaRegistryException registryError) {
        return registryError.error() == RegistryError.SCHEMA_NOT_FOUND
            ? Optional.empty()
            : Optional.of(registryError);
      }
    }
    return Optional.empty();
  }
}
