package io.lethe.terminal;

import java.io.PrintStream;
import java.util.Locale;

/**
 * Writes lines and progress: a bar that redraws itself on a terminal, plain lines now and then
 * elsewhere. Thread-safe.
 */
public final class Terminal {
  private static final int BAR_WIDTH = 28;
  private static final double PLAIN_STEP = 0.25;
  private static final String CLEAR_LINE = "\r\u001b[2K";

  private final PrintStream out;
  private final boolean interactive;
  private String label = "";
  private double printed;

  /**
   * @param interactive whether {@code out} is a terminal that understands ANSI sequences
   */
  public Terminal(PrintStream out, boolean interactive) {
    this.out = out;
    this.interactive = interactive;
  }

  /** Standard output; interactive when it is a terminal. */
  public static Terminal standard() {
    boolean interactive = System.console() != null && !"dumb".equals(System.getenv("TERM"));
    return new Terminal(System.out, interactive);
  }

  /** Writes a line of its own. */
  public synchronized void line(String text) {
    out.println((interactive ? CLEAR_LINE : "") + text);
  }

  /**
   * Shows how far something is.
   *
   * @param what what goes on; a new text begins a new bar
   * @param fraction done, in [0, 1]
   * @param detail shown behind, e.g. a rate
   */
  public synchronized void progress(String what, double fraction, String detail) {
    boolean begins = !what.equals(label);
    if (begins) {
      label = what;
      printed = -1;
    }
    int percent = (int) Math.round(100 * fraction);
    if (interactive) {
      int filled = (int) Math.round(BAR_WIDTH * fraction);
      out.print(
          "%s  %-24s %s%s %3d %%  %s"
              .formatted(
                  CLEAR_LINE,
                  what,
                  "━".repeat(filled),
                  "─".repeat(BAR_WIDTH - filled),
                  percent,
                  detail));
      out.flush();
    } else if (fraction - printed >= PLAIN_STEP || (fraction >= 1 && printed < 1)) {
      printed = fraction;
      out.println("  %-24s %3d %%  %s".formatted(what, percent, detail).stripTrailing());
    }
  }

  /** A count with thousands separators. */
  public static String count(double number) {
    return String.format(Locale.ROOT, "%,d", Math.round(number));
  }
}
