package io.lethe.roles;

import io.lethe.attestation.Attestor;
import io.lethe.batching.BatchingSettings;
import io.lethe.intake.IntakeSettings;
import io.lethe.topics.KafkaSettings;
import io.lethe.topics.Topics;
import io.lethe.topology.StreamApp;
import io.lethe.topology.StreamSettings;
import io.lethe.tracking.TrackingSettings;
import io.micrometer.core.instrument.binder.kafka.KafkaStreamsMetrics;
import io.micronaut.context.annotation.Bean;
import io.micronaut.context.annotation.Context;
import io.micronaut.context.annotation.Factory;
import io.micronaut.context.annotation.Requires;
import jakarta.inject.Singleton;

/** The topology as a bean that starts with the program and stops with it. */
@Factory
@Requires(property = "lethe.stream.enabled", value = "true")
final class StreamRole {
  @Context
  @Bean(preDestroy = "close")
  StreamApp streamApp(
      StreamSettings settings,
      IntakeSettings intake,
      BatchingSettings batching,
      TrackingSettings tracking,
      KafkaSettings kafka,
      Topics topics,
      Attestor attestor) {
    StreamApp app =
        new StreamApp(
            settings,
            intake,
            batching,
            tracking,
            kafka,
            topics,
            attestor::attest,
            attestor::attest);
    app.start();
    return app;
  }

  /** Micronaut binds it to the meter registry. */
  @Singleton
  @Bean(preDestroy = "close")
  KafkaStreamsMetrics streamMetrics(StreamApp app) {
    return new KafkaStreamsMetrics(app.streams());
  }
}
