package io.lethe.cli;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Stops a service in order when the process is asked to end. */
final class Stop {
  private static final Logger log = LoggerFactory.getLogger(Stop.class);

  private Stop() {}

  static void onShutdown(AutoCloseable service) {
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  try {
                    service.close();
                  } catch (Exception e) {
                    log.error("the service did not stop in order", e);
                  }
                },
                "lethe-stop"));
  }
}
