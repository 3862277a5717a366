package io.lethe.demo;

import io.lethe.artifact.ArtifactStore;
import io.lethe.artifact.ArtifactStores;
import io.lethe.events.ModelVersion;
import io.lethe.model.LoadedModel;
import io.lethe.terminal.Terminal;
import io.lethe.topics.KafkaSettings;
import io.lethe.topics.TopicReader;
import io.lethe.topics.Topics;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.common.errors.InterruptException;

/**
 * A serving system in small: holds a model, listens for its new versions, and swaps to each one as
 * it arrives once its digest is checked.
 */
final class ServingSubscriber implements AutoCloseable {
  private static final Duration POLL = Duration.ofMillis(200);
  private static final int DIGEST_SHOWN = 12;

  private final String modelId;
  private final KafkaSettings kafka;
  private final Topics topics;
  private final ArtifactStore artifacts;
  private final Terminal terminal;
  private final Thread thread;
  private final List<ModelVersion> versions = new ArrayList<>();
  private LoadedModel serving;
  private boolean closed;

  ServingSubscriber(
      String modelId,
      LoadedModel first,
      KafkaSettings kafka,
      Topics topics,
      ArtifactStore artifacts,
      Terminal terminal) {
    this.modelId = modelId;
    this.serving = first;
    this.kafka = kafka;
    this.topics = topics;
    this.artifacts = artifacts;
    this.terminal = terminal;
    this.thread = new Thread(this::listen, "lethe-serving");
    thread.setDaemon(true);
    thread.start();
  }

  private void listen() {
    try (TopicReader<String, ModelVersion> reader =
        new TopicReader<>(kafka, topics.modelVersions())) {
      while (!isClosed()) {
        for (var event : reader.poll(POLL)) {
          if (event.key().equals(modelId) && event.value() != null) {
            swap(event.value());
          }
        }
      }
    } catch (InterruptException e) {
      // Closed while polling; nothing is lost, the topic is compacted.
      Thread.currentThread().interrupt();
    }
  }

  private void swap(ModelVersion version) {
    Path file =
        artifacts.fetch(
            ArtifactStores.location(version.getArtifactUri()), version.getArtifactSha256());
    LoadedModel next = LoadedModel.load(file, version.getFormat());
    LoadedModel previous;
    synchronized (this) {
      previous = serving;
      serving = next;
      versions.add(version);
      notifyAll();
    }
    previous.close();
    terminal.line(
        "  serving: swapped to %s version %d, sha256 %s…, checked"
            .formatted(
                modelId,
                version.getVersion(),
                version.getArtifactSha256().substring(0, DIGEST_SHOWN)));
  }

  /** The versions that were swapped to, in order. */
  synchronized List<ModelVersion> versions() {
    return List.copyOf(versions);
  }

  /**
   * Returns when so many versions are served.
   *
   * @throws IllegalStateException when they do not come in time
   */
  synchronized void awaitVersions(int count, Duration patience) {
    long deadline = System.nanoTime() + patience.toNanos();
    try {
      while (versions.size() < count) {
        long left = deadline - System.nanoTime();
        if (left <= 0) {
          throw new IllegalStateException("version " + count + " did not come in " + patience);
        }
        TimeUnit.NANOSECONDS.timedWait(this, left);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while waiting for a version", e);
    }
  }

  private synchronized boolean isClosed() {
    return closed;
  }

  @Override
  public void close() {
    synchronized (this) {
      closed = true;
    }
    try {
      thread.join(2 * POLL.toMillis() + Duration.ofSeconds(2).toMillis());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    synchronized (this) {
      serving.close();
    }
  }
}
