package io.lethe.demo;

/** The demo's job came to a negative answer of its own. */
public final class DemoHeldException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  DemoHeldException(String message) {
    super(message);
  }
}
