package io.lethe.topology;

import io.lethe.schemas.client.SchemaRegistryException;
import io.lethe.topics.DeadLetterHeaders;
import java.util.List;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.streams.errors.ErrorHandlerContext;
import org.apache.kafka.streams.errors.LogAndContinueProcessingExceptionHandler;
import org.apache.kafka.streams.errors.StreamsException;
import org.apache.kafka.streams.processor.api.Record;

/**
 * Sends what breaks a rule to the dead letters and goes on, but stops the thread when the schema
 * registry or the broker is away, or Kafka Streams itself fails, its stores among it: nothing is
 * wrong with such a record, and its outputs must not be lost. The thread is replaced and tries
 * again.
 */
public final class DeadLetterProcessingHandler extends LogAndContinueProcessingExceptionHandler {
  @Override
  public Response handleError(
      ErrorHandlerContext context, Record<?, ?> record, Exception exception) {
    for (Throwable cause = exception; cause != null; cause = cause.getCause()) {
      if (cause instanceof SchemaRegistryException
          || cause instanceof RetriableException
          || cause instanceof StreamsException) {
        return Response.fail();
      }
    }
    List<ProducerRecord<byte[], byte[]>> letters =
        super.handleError(context, record, exception).deadLetterQueueRecords();
    letters.forEach(
        letter ->
            DeadLetterHeaders.put(
                letter.headers(), DeadLetterHeaders.STAGE, context.processorNodeId()));
    return Response.resume(LetterFit.fit(letters));
  }
}
