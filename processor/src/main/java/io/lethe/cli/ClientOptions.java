package io.lethe.cli;

import io.lethe.topics.KafkaSettings;
import io.lethe.topics.Topics;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.clients.admin.Admin;
import picocli.CommandLine.Option;

/** How a command reaches Kafka and the registry. */
final class ClientOptions {
  private static final int ANSWER_SECONDS = 10;

  @Option(
      names = "--bootstrap-server",
      paramLabel = "HOST:PORT",
      description = "Kafka (default: ${DEFAULT-VALUE}).",
      defaultValue = "${env:KAFKA_BOOTSTRAP_SERVERS:-127.0.0.1:9092}")
  private String bootstrap;

  @Option(
      names = "--schema-registry",
      paramLabel = "URL",
      description = "Schema registry (default: ${DEFAULT-VALUE}).",
      defaultValue = "${env:SCHEMA_REGISTRY_URL:-http://127.0.0.1:8081}")
  private String registry;

  @Option(
      names = "--client-config",
      paramLabel = "FILE",
      description = "Kafka's and the registry's further client settings, as a properties file.")
  private Path config;

  @Option(
      names = "--prefix",
      paramLabel = "PREFIX",
      description = "Put before each topic (default: ${DEFAULT-VALUE}).",
      defaultValue = "lethe.")
  private String prefix;

  KafkaSettings kafka() {
    Map<String, String> kafka = new HashMap<>();
    kafka.put("bootstrap.servers", bootstrap);
    // A person waits: say that nothing answers rather than try for minutes.
    kafka.put("default.api.timeout.ms", "10000");
    kafka.put("request.timeout.ms", "5000");
    kafka.put("max.block.ms", "10000");
    kafka.put("delivery.timeout.ms", "15000");
    kafka.putAll(file());
    Map<String, String> all = new HashMap<>(kafka);
    all.put("schema.registry.url", registry);
    KafkaSettings settings = new KafkaSettings(kafka, all);
    requireAnswer(settings);
    return settings;
  }

  private void requireAnswer(KafkaSettings settings) {
    try (Admin admin = Admin.create(settings.admin())) {
      admin.describeCluster().nodes().get(ANSWER_SECONDS, TimeUnit.SECONDS);
    } catch (ExecutionException | TimeoutException e) {
      throw new UnusableException("Kafka at " + bootstrap + " does not answer", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new UnusableException("interrupted while waiting for Kafka at " + bootstrap, e);
    }
  }

  Topics topics(KafkaSettings kafka) {
    return new Topics(prefix, kafka.registry());
  }

  private Map<String, String> file() {
    Map<String, String> settings = new HashMap<>();
    if (config != null) {
      Properties properties = new Properties();
      try (var reader = Files.newBufferedReader(config)) {
        properties.load(reader);
      } catch (IOException e) {
        throw new UnusableException(config + ": cannot be read as a properties file", e);
      }
      properties.stringPropertyNames().forEach(n -> settings.put(n, properties.getProperty(n)));
    }
    return settings;
  }
}
