package io.lethe.roles;

import io.lethe.attestation.Attestor;
import io.lethe.attestation.SigningKey;
import io.lethe.topics.KafkaSettings;
import io.lethe.topics.Topics;
import io.micronaut.context.annotation.Factory;
import io.micronaut.context.annotation.Value;
import io.micronaut.context.env.Environment;
import io.micronaut.core.naming.conventions.StringConvention;
import jakarta.inject.Singleton;
import java.nio.file.Path;
import java.time.Clock;
import java.util.HashMap;
import java.util.Map;

/** What every role needs. */
@Factory
final class SharedBeans {
  private static final String REGISTRY = "schema.registry";

  @Singleton
  Clock clock() {
    return Clock.systemUTC();
  }

  /** Everything under {@code kafka.} and {@code schema.registry.}, as it is. */
  @Singleton
  KafkaSettings kafka(Environment environment) {
    Map<String, String> kafka = properties(environment, "kafka");
    Map<String, String> registry = new HashMap<>(kafka);
    properties(environment, REGISTRY)
        .forEach((name, value) -> registry.put(REGISTRY + "." + name, value));
    return new KafkaSettings(kafka, registry);
  }

  @Singleton
  Topics topics(@Value("${lethe.topics.prefix}") String prefix, KafkaSettings kafka) {
    return new Topics(prefix, kafka.registry());
  }

  @Singleton
  SigningKey signingKey(@Value("${lethe.attestation.key}") Path key) {
    return SigningKey.loadOrCreate(key);
  }

  @Singleton
  Attestor attestor(SigningKey key) {
    return new Attestor(key);
  }

  /**
   * Kafka's names have dots only; of an environment variable Micronaut also derives spellings with
   * hyphens, which are left out.
   */
  private static Map<String, String> properties(Environment environment, String prefix) {
    Map<String, String> properties = new HashMap<>();
    environment
        .getProperties(prefix, StringConvention.RAW)
        .forEach(
            (name, value) -> {
              if (name.indexOf('-') < 0 && value != null) {
                properties.put(name, value.toString());
              }
            });
    return properties;
  }
}
