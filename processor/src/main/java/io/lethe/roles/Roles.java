package io.lethe.roles;

import io.micronaut.context.ApplicationContext;
import io.micronaut.runtime.server.EmbeddedServer;
import java.util.HashMap;
import java.util.Map;

/** What a process can be. */
public enum Roles {
  STREAM(true, false),
  WORKER(false, true),
  STREAM_AND_WORKER(true, true);

  private final boolean stream;
  private final boolean worker;

  Roles(boolean stream, boolean worker) {
    this.stream = stream;
    this.worker = worker;
  }

  /** Starts the role's beans and its API; closing the context stops both. */
  public ApplicationContext start(Map<String, Object> overrides) {
    Map<String, Object> configuration = new HashMap<>();
    configuration.put("lethe.stream.enabled", stream);
    configuration.put("lethe.worker.enabled", worker);
    configuration.putAll(overrides);
    ApplicationContext context =
        ApplicationContext.builder()
            .banner(false)
            .deduceEnvironment(false)
            .properties(configuration)
            .start();
    try {
      context.getBean(EmbeddedServer.class).start();
      return context;
    } catch (RuntimeException e) {
      context.close();
      throw e;
    }
  }
}
