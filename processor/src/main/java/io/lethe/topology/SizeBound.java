package io.lethe.topology;

import io.lethe.topics.RecordSizes;
import io.lethe.topics.Topic;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;

/**
 * Reads no key or value that is larger, before compression, than its topic takes.
 *
 * <p>RATIONALE: the broker measures what is compressed, so that a record of any size can lie on a
 * topic. What the rules write of it to changelogs and internal topics would be larger than the
 * producer takes, and nothing could be done about it there (see {@link SizeGuard}): the thread
 * would read the record again for ever. They write at most a key or subject together with a value,
 * each of them within the bound; those topics take twice the bound of requests and lineage.
 */
final class SizeBound<T> implements Deserializer<T> {
  private final Deserializer<T> deserializer;
  private final long limit;

  private SizeBound(Deserializer<T> deserializer, long limit) {
    this.deserializer = deserializer;
    this.limit = limit;
  }

  /** The largest key or value, with the headers. */
  static long of(Topic<?, ?> topic) {
    return topic.maxMessageBytes() - RecordSizes.ROOM;
  }

  /** A serde of the topic's keys or values whose reads are bounded. */
  static <T> Serde<T> bounded(Topic<?, ?> topic, Serde<T> serde) {
    return Serdes.serdeFrom(serde.serializer(), new SizeBound<>(serde.deserializer(), of(topic)));
  }

  @Override
  public T deserialize(String topic, byte[] data) {
    return deserialize(topic, null, data);
  }

  @Override
  public T deserialize(String topic, Headers headers, byte[] data) {
    long size = RecordSizes.of(data) + RecordSizes.of(headers);
    if (size > limit) {
      throw new OversizeRecordException(topic, size, limit);
    }
    return deserializer.deserialize(topic, headers, data);
  }

  @Override
  public void close() {
    deserializer.close();
  }
}
