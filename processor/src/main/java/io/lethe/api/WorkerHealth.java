package io.lethe.api;

import io.lethe.worker.Worker;
import io.micronaut.context.annotation.Requires;
import io.micronaut.core.async.publisher.Publishers;
import io.micronaut.health.HealthStatus;
import io.micronaut.management.health.indicator.HealthIndicator;
import io.micronaut.management.health.indicator.HealthResult;
import io.micronaut.management.health.indicator.annotation.Liveness;
import jakarta.inject.Singleton;
import org.reactivestreams.Publisher;

/** Health of the worker: alive while it takes jobs. */
@Singleton
@Liveness
@Requires(bean = Worker.class)
final class WorkerHealth implements HealthIndicator {
  private final Worker worker;

  WorkerHealth(Worker worker) {
    this.worker = worker;
  }

  @Override
  public Publisher<HealthResult> getResult() {
    return Publishers.just(
        HealthResult.builder("worker", worker.isAlive() ? HealthStatus.UP : HealthStatus.DOWN)
            .build());
  }
}
