package io.lethe.schemas.client;

import java.time.Clock;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Makes clients. Those with equal settings share one connection pool and one cache until the last
 * is closed: a Kafka Streams application configures dozens of serdes alike.
 */
public final class SchemaRegistryClients {
  private static final Map<RegistryClientConfig, Shared> SHARED = new HashMap<>();
  private static final Map<String, InMemorySchemaRegistryClient> IN_MEMORY = new HashMap<>();

  private static final class Shared {
    final SchemaRegistryClient client;
    int users;

    Shared(SchemaRegistryClient client) {
      this.client = client;
    }
  }

  private SchemaRegistryClients() {}

  /**
   * A client by Confluent's settings, {@code schema.registry.url} and so on. The caller closes it.
   */
  public static SchemaRegistryClient open(Map<String, ?> properties) {
    RegistryClientConfig config = RegistryClientConfig.from(properties);
    synchronized (SHARED) {
      Shared shared = SHARED.computeIfAbsent(config, c -> new Shared(create(c)));
      shared.users++;
      AtomicBoolean open = new AtomicBoolean(true);
      return new DelegatingSchemaRegistryClient(shared.client) {
        @Override
        public void close() {
          if (open.compareAndSet(true, false)) {
            release(config, shared);
          }
        }
      };
    }
  }

  private static void release(RegistryClientConfig config, Shared shared) {
    synchronized (SHARED) {
      if (--shared.users == 0) {
        SHARED.remove(config);
        shared.client.close();
      }
    }
  }

  private static SchemaRegistryClient create(RegistryClientConfig config) {
    if (config.inMemory()) {
      return IN_MEMORY.computeIfAbsent(
          config.endpoints().get(0).toString(), url -> new InMemorySchemaRegistryClient());
    }
    return new CachingSchemaRegistryClient(
        new RestSchemaRegistryClient(config), config.missingIdTtl(), Clock.systemUTC());
  }
}
