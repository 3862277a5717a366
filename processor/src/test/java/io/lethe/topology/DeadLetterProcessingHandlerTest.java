package io.lethe.topology;

import static org.assertj.core.api.Assertions.assertThat;

import io.lethe.schemas.client.SchemaRegistryUnavailableException;
import java.util.stream.Stream;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.streams.errors.ProcessingExceptionHandler.Result;
import org.apache.kafka.streams.errors.ProcessorStateException;
import org.apache.kafka.streams.errors.StreamsException;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What is no record's fault; records that break a rule are in the tests of the topology. */
class DeadLetterProcessingHandlerTest {
  static Stream<Exception> failures() {
    return Stream.of(
        new SchemaRegistryUnavailableException("away", 503, 0, null),
        new ProcessorStateException("the disk is full"),
        // A sink asks for its topic's partitions while the brokers are away.
        new TimeoutException("topic not present in metadata after 60000 ms"),
        new IllegalStateException(new TimeoutException("wrapped")),
        // What the producer has failed by since, told with the next record.
        new StreamsException("error encountered sending record"));
  }

  @ParameterizedTest
  @MethodSource("failures")
  void whatIsNoRecordsFaultStopsTheThreadAndLosesNothing(Exception failure) {
    // When
    var response = new DeadLetterProcessingHandler().handleError(null, null, failure);

    // Then
    assertThat(response.result()).isEqualTo(Result.FAIL);
  }
}
