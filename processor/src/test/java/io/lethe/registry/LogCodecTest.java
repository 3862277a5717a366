package io.lethe.registry;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.lethe.schemas.client.CompatibilityLevel;
import java.io.IOException;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class LogCodecTest {

  /** Records as a Confluent registry writes them. */
  static Stream<Arguments> records() {
    return Stream.of(
        Arguments.of(
            new LogRecord.Version("s", 2, 7, "\"int\"", List.of(), false),
            "{\"keytype\":\"SCHEMA\",\"subject\":\"s\",\"version\":2,\"magic\":1}",
            "{\"subject\":\"s\",\"version\":2,\"id\":7,\"schema\":\"\\\"int\\\"\",\"deleted\":false}"),
        Arguments.of(
            new LogRecord.Version("s", 2, 7, "\"T\"", List.of(new Reference("T", "t", 3)), false),
            "{\"keytype\":\"SCHEMA\",\"subject\":\"s\",\"version\":2,\"magic\":1}",
            "{\"subject\":\"s\",\"version\":2,\"id\":7,"
                + "\"references\":[{\"name\":\"T\",\"subject\":\"t\",\"version\":3}],"
                + "\"schema\":\"\\\"T\\\"\",\"deleted\":false}"),
        Arguments.of(
            new LogRecord.VersionRemoved("s", 2),
            "{\"keytype\":\"SCHEMA\",\"subject\":\"s\",\"version\":2,\"magic\":1}",
            null),
        Arguments.of(
            new LogRecord.SubjectDeleted("s", 2),
            "{\"keytype\":\"DELETE_SUBJECT\",\"subject\":\"s\",\"magic\":0}",
            "{\"subject\":\"s\",\"version\":2}"),
        Arguments.of(
            new LogRecord.Compatibility(null, CompatibilityLevel.FULL),
            "{\"keytype\":\"CONFIG\",\"subject\":null,\"magic\":0}",
            "{\"compatibilityLevel\":\"FULL\"}"),
        Arguments.of(
            new LogRecord.Compatibility("s", null),
            "{\"keytype\":\"CONFIG\",\"subject\":\"s\",\"magic\":0}",
            null),
        Arguments.of(
            new LogRecord.ModeChanged("s", Mode.READONLY),
            "{\"keytype\":\"MODE\",\"subject\":\"s\",\"magic\":0}",
            "{\"mode\":\"READONLY\"}"));
  }

  @ParameterizedTest
  @MethodSource("records")
  void hasConfluentsLayout(LogRecord record, String key, String value) throws IOException {
    byte[] valueBytes = LogCodec.value(record);

    assertThat(new String(LogCodec.key(record), UTF_8)).isEqualTo(key);
    assertThat(valueBytes == null ? null : new String(valueBytes, UTF_8)).isEqualTo(value);
    assertThat(LogCodec.read(LogCodec.key(record), valueBytes)).contains(record);
  }

  @Test
  void readsWhatNewerRegistriesAdd() throws IOException {
    // Given
    String key = "{\"keytype\":\"SCHEMA\",\"subject\":\"s\",\"version\":1,\"magic\":1}";
    String value =
        "{\"subject\":\"s\",\"version\":1,\"id\":3,\"guid\":\"g\",\"md5\":\"x\",\"schema\":\"\\\"int\\\"\","
            + "\"deleted\":true,\"ts\":5}";

    // When, Then
    assertThat(LogCodec.read(key.getBytes(UTF_8), value.getBytes(UTF_8)))
        .contains(new LogRecord.Version("s", 1, 3, "\"int\"", List.of(), true));
  }

  @Test
  void passesOverWhatSaysNothingHere() throws IOException {
    String noop = "{\"keytype\":\"NOOP\",\"magic\":0}";
    String schema = "{\"keytype\":\"SCHEMA\",\"subject\":\"s\",\"version\":1,\"magic\":1}";
    String protobuf = "{\"schemaType\":\"PROTOBUF\",\"id\":3,\"schema\":\"syntax\"}";

    assertThat(LogCodec.read(noop.getBytes(UTF_8), null)).isEmpty();
    assertThat(LogCodec.read(schema.getBytes(UTF_8), protobuf.getBytes(UTF_8))).isEmpty();
    assertThat(LogCodec.read(null, null)).isEmpty();
  }
}
