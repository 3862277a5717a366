package io.lethe.registry;

import com.sun.net.httpserver.HttpServer;
import io.lethe.embedded.EmbeddedException;
import io.lethe.embedded.Loopback;
import java.io.IOException;
import java.net.BindException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The registry on 127.0.0.1, with its state in topic {@code _schemas} of a broker. One per broker.
 *
 * <p>RATIONALE: the JDK's HTTP server. A few requests per start of a program go through it, so it
 * need not be fast; the program's Micronaut server would tie the registry's port and life to the
 * API's, and topologies under test need the registry alone.
 */
public final class EmbeddedSchemaRegistry implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(EmbeddedSchemaRegistry.class);
  private static final int THREADS = 4;

  static {
    // Without it Nagle's algorithm and delayed acknowledgement cost each answer 40 ms.
    System.setProperty("sun.net.httpserver.nodelay", "true");
  }

  private final HttpServer server;
  private final ExecutorService executor;
  private final SchemaLog schemaLog;

  private EmbeddedSchemaRegistry(HttpServer server, ExecutorService executor, SchemaLog schemaLog) {
    this.server = server;
    this.executor = executor;
    this.schemaLog = schemaLog;
  }

  /**
   * Reads the registered schemas and serves them when it returns.
   *
   * @param port 0 for any free one
   * @throws EmbeddedException if the port is taken or the topic cannot be read
   */
  public static EmbeddedSchemaRegistry start(String bootstrapServers, int port) {
    HttpServer server = bind(port);
    SchemaLog schemaLog = null;
    try {
      schemaLog = new KafkaSchemaLog(bootstrapServers);
      server.createContext("/", new RegistryHttp(new SubjectService(schemaLog)));
    } catch (RuntimeException e) {
      server.stop(0);
      if (schemaLog != null) {
        schemaLog.close();
      }
      throw new EmbeddedException("The schema registry did not start: " + e.getMessage(), e);
    }
    ExecutorService executor = executor();
    server.setExecutor(executor);
    server.start();
    EmbeddedSchemaRegistry registry = new EmbeddedSchemaRegistry(server, executor, schemaLog);
    log.info("Schema registry on {}", registry.url());
    return registry;
  }

  private static HttpServer bind(int port) {
    try {
      return HttpServer.create(
          new InetSocketAddress(InetAddress.getByName(Loopback.HOST), port), 0);
    } catch (BindException e) {
      throw Loopback.occupied(port, e);
    } catch (IOException e) {
      throw new EmbeddedException("The schema registry did not start: " + e.getMessage(), e);
    }
  }

  private static ExecutorService executor() {
    AtomicInteger number = new AtomicInteger();
    return Executors.newFixedThreadPool(
        THREADS,
        task -> {
          Thread thread = new Thread(task, "schema-registry-" + number.incrementAndGet());
          thread.setDaemon(true);
          return thread;
        });
  }

  public int port() {
    return server.getAddress().getPort();
  }

  /** What clients call {@code schema.registry.url}. */
  public String url() {
    return "http://" + Loopback.HOST + ":" + port();
  }

  @Override
  public void close() {
    server.stop(0);
    executor.shutdown();
    schemaLog.close();
  }
}
