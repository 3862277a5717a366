package io.lethe.topology;

import io.lethe.schemas.client.SchemaRegistryException;
import io.lethe.topics.DeadLetterHeaders;
import java.util.List;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
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
    if (SchemaRegistryException.outage(exception).isPresent()) {
      return Response.fail();
    }
    List<ProducerRecord<byte[], byte[]>> letters =
        super.handleError(context, record, exception).deadLetterQueueRecords();
    letters.forEach(
        letter -> DeadLetterHeaders.put(letter.headers(), DeadLetterHeaders.STAGE, STAGE));
    return Response.resume(LetterFit.fit(letters));
  }
}
