package io.lethe.streams;

import static org.assertj.core.api.Assertions.assertThat;

import io.lethe.state.Lineage;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.TreeMap;
import java.util.function.BiConsumer;
import java.util.function.Function;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.TopologyTestDriver;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The stores that keep objects in memory: over a plain one, whose behaviour they must have. */
class StateStoresTest {
  private static final String NAME = "store";

  @TempDir Path directory;

  @Test
  void ofABusyRecordOnlyTheLastIsWritten() {
    List<Lineage> read = new ArrayList<>();

    try (TopologyTestDriver driver =
        driver(
            StateStores.persistent(),
            busy(),
            (store, step) -> {
              store.put("a", lineage("1"));
              store.put("a", lineage("2"));
              read.add(store.get("a"));
              store.put("b", lineage("3"));
              store.put("b", null);
              read.add(store.get("b"));
            })) {
      step(driver, "step");

      assertThat(read).containsExactly(lineage("2"), null);
      assertThat(changelogKeys(driver)).containsExactlyInAnyOrder("a", "b");
      assertThat(driver.<String, Lineage>getKeyValueStore(NAME).get("a")).isEqualTo(lineage("2"));
    }
  }

  @Test
  void iteratorsOfABusyStoreSeeWhatItsThreadPut() {
    List<String> keys = new ArrayList<>();

    try (TopologyTestDriver driver =
        driver(
            StateStores.persistent(),
            busy(),
            (store, step) -> {
              store.put("a", lineage("1"));
              store.put("b", lineage("2"));
              store.delete("a");
              store.all().forEachRemaining(entry -> keys.add(entry.key));
            })) {
      step(driver, "step");
    }

    assertThat(keys).containsExactly("b");
  }

  @Test
  void aBusyStoreDoesWhatAMapDoes() {
    TreeMap<String, Lineage> expected = new TreeMap<>();
    Random random = new Random(7);
    BiConsumer<KeyValueStore<String, Lineage>, String> step =
        (store, ignored) -> {
          for (int i = random.nextInt(8); i >= 0; i--) {
            String key = "k" + random.nextInt(30);
            switch (random.nextInt(4)) {
              case 0 -> assertThat(store.delete(key)).isEqualTo(expected.remove(key));
              case 1 -> {
                store.put(key, null);
                expected.remove(key);
              }
              default -> {
                Lineage value = lineage("v" + random.nextInt());
                store.put(key, value);
                expected.put(key, value);
              }
            }
          }
          for (int i = 0; i < 30; i++) {
            assertThat(store.get("k" + i)).isEqualTo(expected.get("k" + i));
          }
          if (random.nextInt(5) == 0) {
            assertThat(entries(store.all())).isEqualTo(expected);
          }
        };

    try (TopologyTestDriver driver = driver(StateStores.persistent(), busy(), step)) {
      for (int i = 0; i < 300; i++) {
        step(driver, "step");
      }
      assertThat(entries(driver.<String, Lineage>getKeyValueStore(NAME).all())).isEqualTo(expected);
    }
  }

  @Test
  void aLongTransactionIsWrittenInParts() {
    int records = 25_000;
    List<Integer> written = new ArrayList<>();

    try (TopologyTestDriver driver =
        driver(
            StateStores.persistent(),
            busy(),
            (store, step) -> {
              for (int i = 0; i < records; i++) {
                store.put("k" + i, lineage("v"));
              }
              written.add(below(store));
            })) {
      step(driver, "step");

      assertThat(entries(driver.<String, Lineage>getKeyValueStore(NAME).all())).hasSize(records);
    }

    assertThat(written).singleElement().satisfies(count -> assertThat(count).isPositive());
  }

  /** What lies in the store below a busy one, as another thread sees it. */
  private static int below(KeyValueStore<String, Lineage> store) {
    List<Integer> count = new ArrayList<>();
    Thread reader = new Thread(() -> count.add(entries(store.all()).size()));
    reader.start();
    try {
      reader.join();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
    return count.get(0);
  }

  @Test
  void aSmallStoreHasWhatWasThereBefore() {
    List<String> read = new ArrayList<>();
    Function<StateStores, StoreBuilder<KeyValueStore<String, String>>> plain =
        stores -> stores.of(NAME, Serdes.String(), Serdes.String());

    try (TopologyTestDriver driver =
        driver(
            StateStores.persistent(),
            plain,
            (store, step) -> {
              store.put("a", "restored");
              SmallStore<String> small = new SmallStore<>(store);
              read.add(small.get("a"));
              small.put("a", "new");
              small.clearCache();
              read.add(small.get("a"));
            })) {
      step(driver, "step");
    }

    assertThat(read).containsExactly("restored", "new");
  }

  @Test
  void aSmallStoreDoesWhatAMapDoes() {
    TreeMap<String, String> expected = new TreeMap<>();
    Random random = new Random(5);
    BiConsumer<KeyValueStore<String, String>, String> step =
        (store, ignored) -> {
          String key = "k" + random.nextInt(30);
          if (random.nextInt(3) == 0) {
            assertThat(store.delete(key)).isEqualTo(expected.remove(key));
          } else {
            store.put(key, "v" + random.nextInt());
            expected.put(key, store.get(key));
          }
          String from = "k" + random.nextInt(4);
          assertThat(entries(store.prefixScan(from, new StringSerializer())))
              .isEqualTo(expected.subMap(from, from + "~"));
          assertThat(entries(store.range(from, null))).isEqualTo(expected.tailMap(from, true));
          assertThat(entries(store.all())).isEqualTo(expected);
        };

    try (TopologyTestDriver driver = driver(StateStores.persistent(), small(), step)) {
      for (int i = 0; i < 300; i++) {
        step(driver, "step");
      }
      assertThat(changelogKeys(driver)).hasSize(300);
    }
  }

  private static Function<StateStores, StoreBuilder<KeyValueStore<String, Lineage>>> busy() {
    return stores -> stores.ofBusyRecords(NAME, Lineage.class, 4);
  }

  private static Function<StateStores, StoreBuilder<KeyValueStore<String, String>>> small() {
    return stores -> stores.ofFew(NAME, Serdes.String());
  }

  private <V> TopologyTestDriver driver(
      StateStores stores,
      Function<StateStores, StoreBuilder<KeyValueStore<String, V>>> builder,
      BiConsumer<KeyValueStore<String, V>, String> step) {
    Topology topology = new Topology();
    topology.addSource("source", new StringDeserializer(), new StringDeserializer(), "in");
    topology.addProcessor("steps", () -> new Steps<>(step), "source");
    topology.addStateStore(builder.apply(stores), "steps");
    Properties config = new Properties();
    config.put(StreamsConfig.APPLICATION_ID_CONFIG, "app");
    config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, "none:1");
    config.put(StreamsConfig.STATE_DIR_CONFIG, directory.toString());
    return new TopologyTestDriver(topology, config);
  }

  private static void step(TopologyTestDriver driver, String value) {
    driver
        .createInputTopic("in", new StringSerializer(), new StringSerializer())
        .pipeInput("key", value);
  }

  private static List<String> changelogKeys(TopologyTestDriver driver) {
    return driver
        .createOutputTopic(
            "app-" + NAME + "-changelog", new StringDeserializer(), new StringDeserializer())
        .readKeyValuesToList()
        .stream()
        .map(entry -> entry.key)
        .toList();
  }

  private static <V> Map<String, V> entries(KeyValueIterator<String, V> iterator) {
    Map<String, V> entries = new TreeMap<>();
    try (iterator) {
      while (iterator.hasNext()) {
        KeyValue<String, V> entry = iterator.next();
        entries.put(entry.key, entry.value);
      }
    }
    return entries;
  }

  private static Lineage lineage(String sampleId) {
    return new Lineage(List.of(sampleId), false);
  }

  private static final class Steps<V> extends ContextualProcessor<String, String, String, String> {
    private final BiConsumer<KeyValueStore<String, V>, String> step;

    Steps(BiConsumer<KeyValueStore<String, V>, String> step) {
      this.step = step;
    }

    @Override
    public void process(Record<String, String> record) {
      KeyValueStore<String, V> store = context().getStateStore(NAME);
      step.accept(store, record.value());
    }
  }
}
