package io.lethe.roles;

import io.lethe.api.HttpFisherSource;
import io.lethe.api.HttpForgetSource;
import io.lethe.fisher.FisherSource;
import io.lethe.heldout.ForgetSource;
import io.lethe.topics.KafkaSettings;
import io.lethe.topics.Topics;
import io.lethe.topology.StreamApp;
import io.lethe.worker.Worker;
import io.lethe.worker.WorkerSettings;
import io.micronaut.context.annotation.Bean;
import io.micronaut.context.annotation.Context;
import io.micronaut.context.annotation.Factory;
import io.micronaut.context.annotation.Requires;
import java.time.Clock;
import java.util.Optional;

/** The worker as a bean that starts with the program and stops with it. */
@Factory
@Requires(property = "lethe.worker.enabled", value = "true")
final class WorkerRole {
  /** A worker reads the stores of its own process where there are any, else those of the API. */
  @Context
  @Bean(preDestroy = "close")
  Worker worker(
      WorkerSettings settings,
      KafkaSettings kafka,
      Topics topics,
      Optional<StreamApp> stream,
      Clock clock) {
    FisherSource fisher =
        stream
            .<FisherSource>map(app -> app)
            .orElseGet(() -> new HttpFisherSource(settings.streamUrl(), settings.scratch()));
    ForgetSource forget =
        stream
            .<ForgetSource>map(app -> app)
            .orElseGet(() -> new HttpForgetSource(settings.streamUrl()));
    Worker worker = new Worker(settings, kafka, topics, fisher, forget, clock);
    worker.start();
    return worker;
  }
}
