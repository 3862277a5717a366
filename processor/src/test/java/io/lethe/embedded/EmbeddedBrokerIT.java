package io.lethe.embedded;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.InvalidTxnStateException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.TimeoutException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EmbeddedBrokerIT {
  @TempDir Path directory;

  @Test
  void keepsTopicsAndRecordsOverARestartAndReleasesTheDirectory() throws Exception {
    // Given
    try (EmbeddedBroker broker = EmbeddedBroker.start(directory, 0)) {
      Clients.createTopic(broker, "t", Map.of());
      Clients.send(broker, "t", "k", "v");
    }

    // When
    try (EmbeddedBroker broker = EmbeddedBroker.start(directory, 0)) {

      // Then
      assertThat(Clients.readAll(broker, "t")).containsExactly("v");
    }
  }

  @Test
  void transactionsAreExactlyOnceAndFenceTheirPredecessors() throws Exception {
    try (EmbeddedBroker broker = EmbeddedBroker.start(directory, 0)) {
      // Given: a producer that dies in mid-transaction
      Clients.createTopic(broker, "t", Map.of());
      Map<String, Object> transactional = Map.of("transactional.id", "stream-1");
      KafkaProducer<String, String> dead = Clients.producer(broker, transactional);
      dead.initTransactions();
      dead.beginTransaction();
      dead.send(new ProducerRecord<>("t", "k", "half")).get();

      // When: its successor takes over
      try (KafkaProducer<String, String> successor = Clients.producer(broker, transactional)) {
        successor.initTransactions();
        successor.beginTransaction();
        successor.send(new ProducerRecord<>("t", "k", "whole")).get();
        successor.commitTransaction();
      }

      // Then
      assertThat(Clients.readAll(broker, "t")).containsExactly("whole");
      assertThatThrownBy(dead::commitTransaction)
          .isInstanceOfAny(
              ProducerFencedException.class,
              InvalidProducerEpochException.class,
              InvalidTxnStateException.class);
      dead.close();
    }
  }

  @Test
  void carriesMessagesUpTo16MebibytesAndMakesNoTopicByItself() throws Exception {
    try (EmbeddedBroker broker = EmbeddedBroker.start(directory, 0)) {
      // Given
      Clients.createTopic(broker, "t", Map.of());
      Map<String, Object> large =
          Map.of("max.request.size", 64 << 20, "buffer.memory", 128L << 20, "max.block.ms", 1_000);
      try (KafkaProducer<String, String> producer = Clients.producer(broker, large)) {

        // When
        producer.send(new ProducerRecord<>("t", "k", "x".repeat(15 << 20))).get();

        // Then
        assertThatThrownBy(
                () -> producer.send(new ProducerRecord<>("t", "k", "x".repeat(17 << 20))).get())
            .isInstanceOf(ExecutionException.class)
            .hasCauseInstanceOf(RecordTooLargeException.class);
        assertThatThrownBy(() -> producer.send(new ProducerRecord<>("unknown", "k", "v")).get())
            .hasCauseInstanceOf(TimeoutException.class)
            .hasMessageContaining("unknown");
      }
    }
  }

  @Test
  void anOccupiedPortIsOneClearLineAndTouchesNothing() throws Exception {
    // Given
    try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"))) {
      Path fresh = directory.resolve("fresh");

      // When, Then
      assertThatThrownBy(() -> EmbeddedBroker.start(fresh, taken.getLocalPort()))
          .isInstanceOf(EmbeddedException.class)
          .hasMessage(
              "Port 127.0.0.1:%d is not free: stop what listens there or choose another port",
              taken.getLocalPort());
      assertThat(fresh).doesNotExist();
    }
  }

  @Test
  void aSecondOpenInThisProcessIsOneClearLineAndHarmless() throws Exception {
    try (EmbeddedBroker broker = EmbeddedBroker.start(directory, 0)) {
      // When
      assertThatThrownBy(() -> EmbeddedBroker.start(directory, 0))

          // Then
          .isInstanceOf(EmbeddedException.class)
          .hasMessage(
              "Directory %s is in use by process %d", directory, ProcessHandle.current().pid());
      Clients.createTopic(broker, "t", Map.of());
    }
  }

  @Test
  void aDirectoryThatCannotBeOneIsOneClearLine() throws Exception {
    // Given
    Path file = Files.writeString(directory.resolve("file"), "no directory");

    // When, Then
    assertThatThrownBy(() -> EmbeddedBroker.start(file, 0))
        .isInstanceOf(EmbeddedException.class)
        .hasMessageContaining(file.toString())
        .hasMessageContaining("cannot be used");
  }

  @Test
  void aDamagedDirectoryIsOneClearLineAndReleasedAgain() throws Exception {
    // Given
    Path kafka = Files.createDirectories(directory.resolve("kafka"));
    Files.writeString(kafka.resolve("meta.properties"), "version=1\nnode.id=7\ncluster.id=x\n");

    // When, Then: twice, because the first attempt must not keep the lock
    for (int attempt = 0; attempt < 2; attempt++) {
      assertThatThrownBy(() -> EmbeddedBroker.start(directory, 0))
          .isInstanceOf(EmbeddedException.class)
          .hasMessageContaining("The Kafka broker in " + directory + " did not start: ")
          .satisfies(e -> assertThat(e.getMessage()).doesNotContain("\n"));
    }
  }

  @Test
  void aDirectoryThatLostItsIdentityIsNotFormattedOver() throws Exception {
    // Given
    try (EmbeddedBroker broker = EmbeddedBroker.start(directory, 0)) {
      Clients.createTopic(broker, "t", Map.of());
    }
    Path identity = directory.resolve("kafka").resolve("meta.properties");
    byte[] content = Files.readAllBytes(identity);
    Files.delete(identity);

    // When
    assertThatThrownBy(() -> EmbeddedBroker.start(directory, 0))

        // Then
        .isInstanceOf(EmbeddedException.class)
        .hasMessageContaining("but no meta.properties");
    Files.write(identity, content);
    try (EmbeddedBroker broker = EmbeddedBroker.start(directory, 0)) {
      assertThat(Clients.readAll(broker, "t")).isEmpty();
    }
  }

  @Test
  void aPortTakenWhileTheBrokerStartsIsOneClearLineToo() throws Exception {
    // Given: listeners that pass the check of the port, because they are not those that were
    // checked
    try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"))) {
      String client = "PLAINTEXT://127.0.0.1:" + taken.getLocalPort();
      String controller = "127.0.0.1:" + Loopback.claim(0);
      Map<String, String> overrides =
          Map.of(
              "listeners", client + ",CONTROLLER://" + controller,
              "advertised.listeners", client,
              "controller.quorum.voters", "1@" + controller);

      // When
      assertThatThrownBy(() -> EmbeddedBroker.start(directory, 0, overrides))

          // Then
          .isInstanceOf(EmbeddedException.class)
          .hasMessageContaining("did not start: ")
          .hasMessageContaining("Address already in use");
      EmbeddedBroker.start(directory, 0).close();
    }
  }
}
