package io.lethe.schemas.serde;

import static org.assertj.core.api.Assertions.assertThat;

import io.lethe.json.ArbitraryJson;
import io.lethe.json.JsonRecords;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import java.util.stream.Stream;
import org.apache.avro.Schema;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.EncoderFactory;
import org.apache.avro.specific.SpecificData;
import org.apache.avro.specific.SpecificDatumWriter;
import org.apache.avro.specific.SpecificRecord;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What our template changed of the generated classes must not show. */
class SelfEncodingTest {
  private static final int RECORDS = 100;

  static Stream<Class<?>> records() throws IOException {
    try (Stream<Path> files = Files.walk(Path.of("src/main/avro"))) {
      return files
          .filter(file -> file.toString().endsWith(".avsc"))
          .<Class<?>>map(SelfEncodingTest::type)
          .filter(SpecificRecord.class::isAssignableFrom)
          .toList()
          .stream();
    }
  }

  private static Class<?> type(Path file) {
    String name = file.getFileName().toString().replace(".avsc", "");
    try {
      return Class.forName("io.lethe." + file.getParent().getFileName() + "." + name);
    } catch (ClassNotFoundException e) {
      throw new IllegalStateException(e);
    }
  }

  @ParameterizedTest
  @MethodSource("records")
  void recordsEncodeThemselvesAsAvroDoes(Class<? extends SpecificRecord> type) throws IOException {
    Random random = new Random(7);
    Schema schema = SpecificData.get().getSchema(type);
    for (int i = 0; i < RECORDS; i++) {
      // Given
      SpecificRecord record = JsonRecords.fromJson(ArbitraryJson.of(schema, random), type);
      ByteArrayOutputStream expected = new ByteArrayOutputStream();
      BinaryEncoder avro = EncoderFactory.get().binaryEncoder(expected, null);
      new SpecificDatumWriter<SpecificRecord>(schema).write(record, avro);
      avro.flush();

      // When
      BytesEncoder own = new BytesEncoder();
      ((SelfEncoding) record).encodeTo(own);

      // Then
      assertThat(own.toByteArray()).isEqualTo(expected.toByteArray());
    }
  }

  @ParameterizedTest
  @MethodSource("records")
  void aBuilderStartsWithTheRecord(Class<? extends SpecificRecord> type) throws Exception {
    Random random = new Random(8);
    Schema schema = SpecificData.get().getSchema(type);
    for (int i = 0; i < RECORDS; i++) {
      // Given
      SpecificRecord record = JsonRecords.fromJson(ArbitraryJson.of(schema, random), type);

      // When
      Object builder = type.getMethod("newBuilder", type).invoke(null, record);
      Object copy = builder.getClass().getMethod("build").invoke(builder);

      // Then
      assertThat(copy).isEqualTo(record);
    }
  }
}
