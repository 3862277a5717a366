package io.lethe.streams;

import java.util.Map;
import java.util.function.UnaryOperator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;

/** Builds what another builder does, and puts something of ours in front of it. */
record WrappingBuilder<V>(
    StoreBuilder<KeyValueStore<String, V>> builder, UnaryOperator<KeyValueStore<String, V>> wrap)
    implements StoreBuilder<KeyValueStore<String, V>> {
  @Override
  public StoreBuilder<KeyValueStore<String, V>> withCachingEnabled() {
    return this; // the wrapper is one
  }

  @Override
  public StoreBuilder<KeyValueStore<String, V>> withCachingDisabled() {
    return this;
  }

  @Override
  public StoreBuilder<KeyValueStore<String, V>> withLoggingEnabled(Map<String, String> config) {
    return new WrappingBuilder<>(builder.withLoggingEnabled(config), wrap);
  }

  @Override
  public StoreBuilder<KeyValueStore<String, V>> withLoggingDisabled() {
    return new WrappingBuilder<>(builder.withLoggingDisabled(), wrap);
  }

  @Override
  public KeyValueStore<String, V> build() {
    return wrap.apply(builder.build());
  }

  @Override
  public Map<String, String> logConfig() {
    return builder.logConfig();
  }

  @Override
  public boolean loggingEnabled() {
    return builder.loggingEnabled();
  }

  @Override
  public String name() {
    return builder.name();
  }
}
