package io.lethe.schemas.serde;

import org.apache.avro.Schema;
import org.apache.kafka.common.config.ConfigException;

/** Confluent's three ways to name the subject of a record. */
enum SubjectNameStrategy {
  /** {@code <topic>-key} or {@code <topic>-value}: one type of record per topic. */
  TOPIC_NAME("TopicNameStrategy") {
    @Override
    String subject(String topic, boolean isKey, Schema schema) {
      return topic + (isKey ? "-key" : "-value");
    }
  },
  /** The record's full name: one history per type, whatever the topic. */
  RECORD_NAME("RecordNameStrategy") {
    @Override
    String subject(String topic, boolean isKey, Schema schema) {
      return schema.getFullName();
    }
  },
  /** {@code <topic>-<full name>}: several types in a topic, each with its history there. */
  TOPIC_RECORD_NAME("TopicRecordNameStrategy") {
    @Override
    String subject(String topic, boolean isKey, Schema schema) {
      return topic + "-" + schema.getFullName();
    }
  };

  private final String className;

  SubjectNameStrategy(String className) {
    this.className = className;
  }

  abstract String subject(String topic, boolean isKey, Schema schema);

  /**
   * @param setting a class or its name, in Confluent's package or bare; null for the default
   */
  static SubjectNameStrategy of(Object setting) {
    if (setting == null) {
      return TOPIC_NAME;
    }
    String name = setting instanceof Class<?> type ? type.getName() : setting.toString();
    String simple = name.substring(name.lastIndexOf('.') + 1);
    for (SubjectNameStrategy strategy : values()) {
      if (strategy.className.equals(simple)) {
        return strategy;
      }
    }
    throw new ConfigException(
        "subject.name.strategy",
        name,
        "use TopicNameStrategy, RecordNameStrategy or TopicRecordNameStrategy");
  }
}
