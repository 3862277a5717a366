package io.lethe.topics;

import io.lethe.events.Trace;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;

/**
 * The W3C trace context that a record carries in its headers. A request's is kept with the request
 * and stands on whatever comes of it alone, at last its receipt. Job, outcome, Fisher update and
 * version come of a batch: their parent is the first of its requests that has a trace, and {@code
 * tracelinks}, a CloudEvents extension of ours, names the contexts of all, as OpenTelemetry links a
 * batch's span to those of its messages.
 *
 * <p>What does not have the standard's form is dropped, so that nothing else travels in its name.
 *
 * @param parent {@code traceparent}; empty for none
 * @param state {@code tracestate}; empty for none
 * @param links {@code tracelinks}: the traceparents of a batch, the parent's first; empty where
 *     there is no batch
 */
public record TraceContext(String parent, String state, List<String> links) {
  /** No trace. */
  public static final TraceContext NONE = new TraceContext("", "", List.of());

  private static final String PARENT = "traceparent";
  private static final String STATE = "tracestate";
  private static final String LINKS = "ce_tracelinks";
  private static final int MAX_LINKS = 128;
  private static final Pattern PARENT_FORM =
      Pattern.compile("(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}");
  private static final int STATE_LENGTH = 512;
  private static final Pattern STATE_FORM =
      Pattern.compile("[\\x20-\\x7e\\t]{1," + STATE_LENGTH + "}");

  /** The context of a record; {@link #NONE} where it has none that is well formed. */
  public static TraceContext of(Headers headers) {
    String parent = last(headers, PARENT);
    if (!PARENT_FORM.matcher(parent).matches()) {
      return NONE;
    }
    String state = last(headers, STATE);
    List<String> links =
        Arrays.stream(last(headers, LINKS).split(",", MAX_LINKS + 1))
            .filter(link -> PARENT_FORM.matcher(link).matches())
            .toList();
    return new TraceContext(parent, STATE_FORM.matcher(state).matches() ? state : "", links);
  }

  /** The context that was kept in a record; {@link #NONE} for none. */
  public static TraceContext of(Optional<Trace> trace) {
    return trace
        .map(kept -> new TraceContext(kept.getParent(), kept.getState(), kept.getLinks()))
        .orElse(NONE);
  }

  /** This context as it is kept in records; empty for {@link #NONE}. */
  public Optional<Trace> toRecord() {
    return parent.isEmpty() ? Optional.empty() : Optional.of(new Trace(parent, state, links));
  }

  /** Puts this context in the place of what the headers have. */
  public void addTo(Headers headers) {
    if (!parent.isEmpty()) {
      set(headers, PARENT, parent);
      set(headers, STATE, state);
      set(headers, LINKS, String.join(",", links));
    }
  }

  private static void set(Headers headers, String name, String value) {
    headers.remove(name);
    if (!value.isEmpty()) {
      headers.add(name, value.getBytes(StandardCharsets.US_ASCII));
    }
  }

  private static String last(Headers headers, String name) {
    Header header = headers.lastHeader(name);
    return header == null || header.value() == null
        ? ""
        : new String(header.value(), StandardCharsets.ISO_8859_1);
  }
}
