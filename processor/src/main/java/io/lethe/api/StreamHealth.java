package io.lethe.api;

import io.lethe.topology.StreamApp;
import io.micronaut.context.annotation.Requires;
import io.micronaut.core.async.publisher.Publishers;
import io.micronaut.health.HealthStatus;
import io.micronaut.management.health.indicator.HealthIndicator;
import io.micronaut.management.health.indicator.HealthResult;
import io.micronaut.management.health.indicator.annotation.Liveness;
import io.micronaut.management.health.indicator.annotation.Readiness;
import jakarta.inject.Singleton;
import java.util.Map;
import org.reactivestreams.Publisher;

/** Health of the topology: ready only while it runs, alive unless it can never run again. */
final class StreamHealth {
  private StreamHealth() {}

  /** Ready while records are processed: not while starting, restoring or rebalancing. */
  @Singleton
  @Readiness
  @Requires(bean = StreamApp.class)
  static final class Ready implements HealthIndicator {
    private final StreamApp app;

    Ready(StreamApp app) {
      this.app = app;
    }

    @Override
    public Publisher<HealthResult> getResult() {
      return Publishers.just(result("stream", app, app.isReady()));
    }
  }

  /** Alive unless the application has stopped for good. */
  @Singleton
  @Liveness
  @Requires(bean = StreamApp.class)
  static final class Alive implements HealthIndicator {
    private final StreamApp app;

    Alive(StreamApp app) {
      this.app = app;
    }

    @Override
    public Publisher<HealthResult> getResult() {
      return Publishers.just(result("stream-alive", app, app.isAlive()));
    }
  }

  private static HealthResult result(String name, StreamApp app, boolean good) {
    return HealthResult.builder(name, good ? HealthStatus.UP : HealthStatus.DOWN)
        .details(Map.of("state", app.state()))
        .build();
  }
}
