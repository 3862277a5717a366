package io.lethe.embedded;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import kafka.server.KafkaConfig;
import kafka.server.KafkaRaftServer;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.metadata.storage.Formatter;
import org.apache.kafka.server.common.Feature;
import org.apache.kafka.server.common.MetadataVersion;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A single-node KRaft broker in this JVM, on 127.0.0.1. Its data lies in a directory and survives a
 * restart, also one after a kill.
 *
 * <p>Topics are created by whoever owns them ({@code auto.create.topics.enable} is off); a message
 * may have 16 MiB; share groups and transactions work.
 */
public final class EmbeddedBroker implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(EmbeddedBroker.class);
  private static final Duration LONGEST_SHUTDOWN = Duration.ofSeconds(20);

  private final Path directory;
  private final int port;
  private final DirectoryLock lock;
  private final KafkaRaftServer server;
  private boolean closed;

  private EmbeddedBroker(Path directory, int port, DirectoryLock lock, KafkaRaftServer server) {
    this.directory = directory;
    this.port = port;
    this.lock = lock;
    this.server = server;
  }

  /** {@link #start(Path, int, Map)} with the settings of this class. */
  public static EmbeddedBroker start(Path directory, int port) {
    return start(directory, port, Map.of());
  }

  /**
   * Starts the broker and returns when it serves clients.
   *
   * @param directory made and formatted if it is new
   * @param port 0 for any free one
   * @param overrides broker properties that replace this class's
   * @throws EmbeddedException if another process has the directory or the port, or the broker does
   *     not start
   */
  public static EmbeddedBroker start(Path directory, int port, Map<String, String> overrides) {
    int clientPort = Loopback.claim(port);
    int controllerPort = Loopback.claim(0);
    DirectoryLock lock = DirectoryLock.acquire(directory);
    KafkaRaftServer server = null;
    try {
      Path logs = directory.resolve("kafka");
      Map<String, String> settings = BrokerSettings.of(logs, clientPort, controllerPort, overrides);
      format(logs);
      server = new KafkaRaftServer(KafkaConfig.fromProps(properties(settings)), Time.SYSTEM);
      server.startup();
      log.info("Kafka broker on {}:{}, data in {}", Loopback.HOST, clientPort, directory);
      return new EmbeddedBroker(directory, clientPort, lock, server);
    } catch (Exception e) {
      if (server != null) {
        shutDown(server, directory);
      }
      lock.close();
      throw new EmbeddedException(
          "The Kafka broker in " + directory + " did not start: " + rootMessage(e), e);
    }
  }

  public int port() {
    return port;
  }

  public String bootstrapServers() {
    return Loopback.HOST + ":" + port;
  }

  /**
   * Shuts down in order, but returns after 20 s at the latest; what was acknowledged is kept either
   * way.
   */
  @Override
  public synchronized void close() {
    if (!closed) {
      closed = true;
      shutDown(server, directory);
      lock.close();
    }
  }

  /**
   * Formats a new directory only: a second format would need force and could hide a damaged one.
   */
  private static void format(Path logs) throws Exception {
    if (Files.exists(logs.resolve("meta.properties"))) {
      return;
    }
    if (Files.exists(logs.resolve("__cluster_metadata-0"))) {
      throw new IllegalStateException("there is data in " + logs + ", but no meta.properties");
    }
    Files.createDirectories(logs);
    new Formatter()
        .setPrintStream(new PrintStream(new ByteArrayOutputStream(), false, StandardCharsets.UTF_8))
        .setNodeId(BrokerSettings.NODE_ID)
        .setClusterId(Uuid.randomUuid().toString())
        .setDirectories(List.of(logs.toString()))
        .setMetadataLogDirectory(logs.toString())
        .setControllerListenerName(BrokerSettings.CONTROLLER_LISTENER)
        .setSupportedFeatures(Feature.PRODUCTION_FEATURES)
        .setReleaseVersion(MetadataVersion.LATEST_PRODUCTION)
        .run();
  }

  private static Properties properties(Map<String, String> settings) {
    Properties properties = new Properties();
    properties.putAll(settings);
    return properties;
  }

  private static void shutDown(KafkaRaftServer server, Path directory) {
    Thread shutdown = new Thread(server::shutdown, "embedded-broker-shutdown");
    shutdown.setDaemon(true);
    shutdown.start();
    try {
      shutdown.join(LONGEST_SHUTDOWN.toMillis());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    if (shutdown.isAlive()) {
      log.warn("The Kafka broker in {} is left to end by itself", directory);
    }
  }

  private static String rootMessage(Throwable e) {
    Throwable root = e;
    while (root.getCause() != null && root.getCause() != root) {
      root = root.getCause();
    }
    String message =
        root.getMessage() == null ? root.getClass().getSimpleName() : root.getMessage();
    return message.replaceAll("\\s+", " ");
  }
}
