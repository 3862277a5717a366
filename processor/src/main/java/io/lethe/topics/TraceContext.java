package io.lethe.topics;

import java.nio.charset.StandardCharsets;
import java.util.regex.Pattern;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;

/**
 * The W3C trace context that a record carries in its headers. It is handed on as it is from a
 * request to what comes of it: task, job, outcome, version, receipt. A batch carries the context of
 * the record that fired it: the request that filled it, or the end of the job that it waited for;
 * one that its age fired carries none.
 *
 * <p>What does not have the standard's form is dropped, so that nothing else travels in its name.
 *
 * @param parent {@code traceparent}; empty for none
 * @param state {@code tracestate}; empty for none
 */
public record TraceContext(String parent, String state) {
  /** No trace. */
  public static final TraceContext NONE = new TraceContext("", "");

  private static final String PARENT = "traceparent";
  private static final String STATE = "tracestate";
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
    return new TraceContext(parent, STATE_FORM.matcher(state).matches() ? state : "");
  }

  /** Puts this context in the place of what the headers have. */
  public void addTo(Headers headers) {
    if (!parent.isEmpty()) {
      headers.remove(PARENT).add(PARENT, parent.getBytes(StandardCharsets.US_ASCII));
      headers.remove(STATE);
      if (!state.isEmpty()) {
        headers.add(STATE, state.getBytes(StandardCharsets.US_ASCII));
      }
    }
  }

  private static String last(Headers headers, String name) {
    Header header = headers.lastHeader(name);
    return header == null || header.value() == null
        ? ""
        : new String(header.value(), StandardCharsets.ISO_8859_1);
  }
}
