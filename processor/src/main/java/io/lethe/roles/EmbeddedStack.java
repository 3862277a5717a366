package io.lethe.roles;

import io.lethe.embedded.EmbeddedBroker;
import io.lethe.embedded.EmbeddedException;
import io.lethe.embedded.Loopback;
import io.lethe.registry.EmbeddedSchemaRegistry;
import io.micronaut.context.ApplicationContext;
import java.net.URI;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/**
 * Everything in one process on loopback: broker, registry, stream, worker and API. What was
 * acknowledged lies in the data directory and survives a restart, also one after a kill.
 */
public final class EmbeddedStack implements AutoCloseable {
  private final EmbeddedBroker broker;
  private final EmbeddedSchemaRegistry registry;
  private final ApplicationContext context;
  private final int httpPort;

  /**
   * Where the stack lives.
   *
   * @param data directory; made if it is new
   * @param httpPort port of the API; 0: any free one
   * @param kafkaPort port of the broker; 0: any free one
   * @param registryPort port of the registry; 0: any free one
   * @param overrides configuration that replaces the defaults, by Micronaut's names
   */
  public record Place(
      Path data, int httpPort, int kafkaPort, int registryPort, Map<String, Object> overrides) {}

  private EmbeddedStack(
      EmbeddedBroker broker,
      EmbeddedSchemaRegistry registry,
      ApplicationContext context,
      int httpPort) {
    this.broker = broker;
    this.registry = registry;
    this.context = context;
    this.httpPort = httpPort;
  }

  /**
   * Starts everything and returns when clients can connect; the topology may still be starting.
   *
   * @throws EmbeddedException in one line, when a port or the directory is taken
   */
  public static EmbeddedStack start(Place place) {
    int httpPort = Loopback.claim(place.httpPort());
    if (place.registryPort() != 0) {
      Loopback.claim(place.registryPort());
    }
    EmbeddedBroker broker = EmbeddedBroker.start(place.data(), place.kafkaPort());
    EmbeddedSchemaRegistry registry = null;
    try {
      registry = EmbeddedSchemaRegistry.start(broker.bootstrapServers(), place.registryPort());
      Map<String, Object> configuration = new HashMap<>();
      configuration.put("kafka.bootstrap.servers", broker.bootstrapServers());
      configuration.put("schema.registry.url", registry.url());
      configuration.put("micronaut.server.port", httpPort);
      configuration.put("lethe.data-dir", place.data().toAbsolutePath().toString());
      configuration.put("lethe.stream.instance-id", "embedded");
      configuration.put("lethe.stream.replication-factor", 1);
      configuration.put("lethe.worker.id", "embedded");
      configuration.putAll(place.overrides());
      ApplicationContext context = Roles.STREAM_AND_WORKER.start(configuration);
      return new EmbeddedStack(broker, registry, context, httpPort);
    } catch (RuntimeException e) {
      if (registry != null) {
        registry.close();
      }
      broker.close();
      throw e;
    }
  }

  /** The beans of the roles. */
  public ApplicationContext context() {
    return context;
  }

  /** The API. */
  public URI api() {
    return URI.create("http://" + Loopback.HOST + ":" + httpPort);
  }

  public String bootstrapServers() {
    return broker.bootstrapServers();
  }

  public String registryUrl() {
    return registry.url();
  }

  @Override
  public void close() {
    try (broker;
        registry;
        context) {
      // Closed in the reverse order, each also when the one before failed.
    }
  }
}
