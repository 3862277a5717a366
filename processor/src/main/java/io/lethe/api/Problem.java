package io.lethe.api;

import com.fasterxml.jackson.annotation.JsonInclude;
import io.micronaut.core.annotation.Introspected;
import io.micronaut.http.HttpResponse;
import io.micronaut.http.HttpStatus;
import io.micronaut.http.MediaType;
import io.micronaut.http.MutableHttpResponse;

/**
 * An error as RFC 9457 writes it.
 *
 * @param type a URI of the kind of problem
 * @param title the kind in words
 * @param status HTTP status
 * @param detail what happened here, without any record's value
 */
@Introspected
@JsonInclude(JsonInclude.Include.NON_NULL)
public record Problem(String type, String title, int status, String detail) {
  /** A response with this problem as its body. */
  static MutableHttpResponse<Problem> response(HttpStatus status, String detail) {
    return HttpResponse.<Problem>status(status)
        .body(new Problem("about:blank", status.getReason(), status.getCode(), detail))
        .contentType(MediaType.APPLICATION_JSON_PROBLEM);
  }
}
