package io.lethe.embedded;

import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/**
 * The broker's properties: one node that is all of the cluster, small, and quick to start again.
 */
final class BrokerSettings {
  static final int NODE_ID = 1;
  static final String CONTROLLER_LISTENER = "CONTROLLER";
  private static final String MEBIBYTE_16 = Integer.toString(16 << 20);

  private BrokerSettings() {}

  static Map<String, String> of(
      Path logDirectory, int port, int controllerPort, Map<String, String> overrides) {
    Map<String, String> settings = new HashMap<>();
    cluster(settings, port, controllerPort);
    storage(settings, logDirectory);
    internalTopics(settings);
    groups(settings);
    footprint(settings);
    settings.putAll(overrides);
    return settings;
  }

  private static void cluster(Map<String, String> settings, int port, int controllerPort) {
    String client = "PLAINTEXT://" + Loopback.HOST + ":" + port;
    String controller = Loopback.HOST + ":" + controllerPort;
    settings.put("process.roles", "broker,controller");
    settings.put("node.id", Integer.toString(NODE_ID));
    settings.put("listeners", client + "," + CONTROLLER_LISTENER + "://" + controller);
    settings.put("advertised.listeners", client);
    settings.put("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT");
    settings.put("controller.listener.names", CONTROLLER_LISTENER);
    // Static voters, because they are not stored: the controller's port may differ at each start.
    settings.put("controller.quorum.voters", NODE_ID + "@" + controller);
    // A broker that was killed cannot register again before its old session has timed out (9 s by
    // default). But
    // a busy machine must not miss its heartbeats: training keeps all cores busy.
    settings.put("broker.session.timeout.ms", "4000");
    settings.put("broker.heartbeat.interval.ms", "200");
    settings.put("controlled.shutdown.enable", "true");
  }

  private static void storage(Map<String, String> settings, Path logDirectory) {
    settings.put("log.dirs", logDirectory.toString());
    settings.put("auto.create.topics.enable", "false");
    settings.put("num.partitions", "1");
    settings.put("default.replication.factor", "1");
    settings.put("min.insync.replicas", "1");
    settings.put("message.max.bytes", MEBIBYTE_16);
    settings.put("replica.fetch.max.bytes", MEBIBYTE_16);
    settings.put("log.segment.bytes", Integer.toString(256 << 20));
    // Indexes are allocated at full size, two per partition.
    settings.put("log.index.size.max.bytes", Integer.toString(1 << 20));
  }

  private static void internalTopics(Map<String, String> settings) {
    settings.put("offsets.topic.num.partitions", "1");
    settings.put("offsets.topic.replication.factor", "1");
    settings.put("transaction.state.log.num.partitions", "1");
    settings.put("transaction.state.log.replication.factor", "1");
    settings.put("transaction.state.log.min.isr", "1");
    // What a killed producer left open blocks read_committed consumers until this finds it.
    settings.put("transaction.abort.timed.out.transaction.cleanup.interval.ms", "1000");
    // A transaction that begins while the one before it is written out asks again after so long; by
    // default 20 ms, a whole transaction of the latency profile.
    settings.put("add.partitions.to.txn.retry.backoff.ms", "1");
    settings.put("share.coordinator.state.topic.num.partitions", "1");
    settings.put("share.coordinator.state.topic.replication.factor", "1");
    settings.put("share.coordinator.state.topic.min.isr", "1");
  }

  private static void groups(Map<String, String> settings) {
    settings.put("group.initial.rebalance.delay.ms", "0");
    settings.put("group.min.session.timeout.ms", "1000");
    // A share group's member gets its partitions two heartbeats after it joined: 5 s apart by
    // default.
    settings.put("group.share.min.heartbeat.interval.ms", "200");
    settings.put("group.share.heartbeat.interval.ms", "500");
    settings.put("group.share.min.session.timeout.ms", "1000");
    settings.put("group.share.session.timeout.ms", "10000");
    // Locks as short as a test wants and as long as a group of long jobs may want.
    settings.put("group.share.min.record.lock.duration.ms", "1000");
    settings.put("group.share.max.record.lock.duration.ms", "3600000");
  }

  private static void footprint(Map<String, String> settings) {
    settings.put("log.cleaner.dedupe.buffer.size", Integer.toString(4 << 20));
    settings.put("num.network.threads", "1");
    settings.put("num.io.threads", "4");
    settings.put("num.replica.fetchers", "1");
    settings.put("num.recovery.threads.per.data.dir", "2");
    settings.put("background.threads", "2");
    settings.put("metric.reporters", "");
  }
}
