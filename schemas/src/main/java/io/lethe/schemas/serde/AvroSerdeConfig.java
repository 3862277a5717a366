package io.lethe.schemas.serde;

import static org.apache.kafka.common.config.ConfigDef.Importance.LOW;
import static org.apache.kafka.common.config.ConfigDef.Importance.MEDIUM;

import java.util.Map;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigException;

/**
 * What serialising asks of the registry, by Confluent's names.
 *
 * @param autoRegister register schemas that the subject does not have; {@code
 *     auto.register.schemas}, default true. Otherwise such a schema is an error.
 * @param useLatest write with the subject's latest schema instead of the record's own; {@code
 *     use.latest.version}, default false. Excludes {@code auto.register.schemas=true} (which
 *     silently wins in Confluent's serializer).
 * @param latestStrict with {@code useLatest}: refuse a latest schema that cannot hold every record
 *     of the own one; {@code latest.compatibility.strict}, default true
 * @param subjects how subjects are named; {@code key.subject.name.strategy}, {@code
 *     value.subject.name.strategy}, default TopicNameStrategy
 * @param isKey whether keys are serialised, not values
 */
record AvroSerdeConfig(
    boolean autoRegister,
    boolean useLatest,
    boolean latestStrict,
    SubjectNameStrategy subjects,
    boolean isKey) {

  private static final String AUTO_REGISTER = "auto.register.schemas";
  private static final String USE_LATEST = "use.latest.version";
  private static final String LATEST_STRICT = "latest.compatibility.strict";
  private static final String KEY_STRATEGY = "key.subject.name.strategy";
  private static final String VALUE_STRATEGY = "value.subject.name.strategy";

  private static final ConfigDef DEFINITION =
      new ConfigDef()
          .define(AUTO_REGISTER, ConfigDef.Type.BOOLEAN, true, MEDIUM, "")
          .define(USE_LATEST, ConfigDef.Type.BOOLEAN, false, LOW, "")
          .define(LATEST_STRICT, ConfigDef.Type.BOOLEAN, true, LOW, "");

  static AvroSerdeConfig from(Map<String, ?> properties, boolean isKey) {
    Map<String, Object> values = DEFINITION.parse(properties);
    boolean autoRegister = (Boolean) values.get(AUTO_REGISTER);
    boolean useLatest = (Boolean) values.get(USE_LATEST);
    if (autoRegister && useLatest && properties.containsKey(AUTO_REGISTER)) {
      throw new ConfigException(USE_LATEST + " needs " + AUTO_REGISTER + "=false");
    }
    return new AvroSerdeConfig(
        autoRegister && !useLatest,
        useLatest,
        (Boolean) values.get(LATEST_STRICT),
        SubjectNameStrategy.of(properties.get(isKey ? KEY_STRATEGY : VALUE_STRATEGY)),
        isKey);
  }
}
