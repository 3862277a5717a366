package io.lethe.api;

import io.micronaut.http.HttpHeaders;
import io.micronaut.http.HttpRequest;
import io.micronaut.http.HttpResponse;
import io.micronaut.http.HttpStatus;
import io.micronaut.http.server.exceptions.ExceptionHandler;
import jakarta.inject.Singleton;
import org.apache.kafka.streams.errors.InvalidStateStoreException;

/** Stores cannot be read while the instance starts or rebalances: ask again soon. */
@Singleton
final class Unavailable
    implements ExceptionHandler<InvalidStateStoreException, HttpResponse<Problem>> {
  private static final String RETRY_SECONDS = "1";

  @Override
  @SuppressWarnings("rawtypes") // as the interface has it
  public HttpResponse<Problem> handle(HttpRequest request, InvalidStateStoreException exception) {
    return Problem.response(
            HttpStatus.SERVICE_UNAVAILABLE, "the stores of this instance are not open")
        .header(HttpHeaders.RETRY_AFTER, RETRY_SECONDS);
  }
}
