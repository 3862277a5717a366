package io.lethe.json;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lethe.events.DatasetLineage;
import io.lethe.events.DeletionRequest;
import io.lethe.events.ErasureReceipt;
import io.lethe.events.FisherChunk;
import io.lethe.events.JobOutcome;
import io.lethe.events.JobProgress;
import io.lethe.events.ModelRegistered;
import io.lethe.events.ModelVersion;
import io.lethe.events.Regulation;
import io.lethe.events.Selector;
import io.lethe.events.SelectorKind;
import io.lethe.events.SetMetrics;
import io.lethe.events.UnlearningJob;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.time.Instant;
import java.util.Random;
import java.util.UUID;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.avro.specific.SpecificData;
import org.apache.avro.specific.SpecificDatumReader;
import org.apache.avro.specific.SpecificDatumWriter;
import org.apache.avro.specific.SpecificRecord;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class JsonRecordsTest {
  private static final ObjectMapper MAPPER = new ObjectMapper();
  private static final UUID ID = UUID.fromString("6f1e7a55-0000-4000-8000-00000000002a");

  @Test
  void writesPlainValues() {
    // Given
    DeletionRequest request =
        DeletionRequest.newBuilder()
            .setRequestId(ID)
            .setSelector(
                Selector.newBuilder().setKind(SelectorKind.SUBJECT).setSubjectId("s").build())
            .setRegulation(Regulation.GDPR)
            .setReceivedAt(Instant.parse("2026-01-31T12:00:00.123456789Z"))
            .build();

    // When
    JsonNode json = JsonRecords.toJson(request);

    // Then
    assertThat(json.toString())
        .isEqualTo(
            """
            {"requestId":"6f1e7a55-0000-4000-8000-00000000002a",\
            "selector":{"kind":"SUBJECT","subjectId":"s","sampleIds":[],"classes":[]},\
            "models":[],"regulation":"GDPR","receivedAt":"2026-01-31T12:00:00.123456Z",\
            "command":"ERASE"}\
            """);
  }

  @ParameterizedTest
  @ValueSource(
      classes = {
        DatasetLineage.class,
        DeletionRequest.class,
        ErasureReceipt.class,
        FisherChunk.class,
        JobOutcome.class,
        JobProgress.class,
        ModelRegistered.class,
        ModelVersion.class,
        UnlearningJob.class
      })
  void everyEventComesBackFromJsonAndFromAvro(Class<? extends SpecificRecord> type)
      throws IOException {
    Random random = new Random(42);
    for (int i = 0; i < 50; i++) {
      // Given
      JsonNode json = ArbitraryJson.of(SpecificData.get().getSchema(type), random);

      // When
      SpecificRecord record = JsonRecords.fromJson(json, type);

      // Then
      assertThat(JsonRecords.toJson(record)).isEqualTo(json);
      assertThat(JsonRecords.toJson(throughAvro(record))).isEqualTo(json);
    }
  }

  @Test
  void absentFieldsGetTheirDefault() {
    // Given
    ObjectNode json = request();
    json.remove("regulation");
    json.remove("models");

    // When
    DeletionRequest request = JsonRecords.fromJson(json, DeletionRequest.class);

    // Then
    assertThat(request.getRegulation()).isEqualTo(Regulation.OTHER);
    assertThat(request.getModels()).isEmpty();
    assertThat(request.getDueAt()).isEmpty();
  }

  @Test
  void nullIsAbsent() {
    // Given
    ObjectNode json = request().putNull("dueAt").putNull("regulation");

    // When
    DeletionRequest request = JsonRecords.fromJson(json, DeletionRequest.class);

    // Then
    assertThat(request.getDueAt()).isEmpty();
    assertThat(request.getRegulation()).isEqualTo(Regulation.OTHER);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "/requestId    | 1              | requestId: expected a UUID, found a number",
        "/requestId    | '\"1-1-1-1-1\"' | requestId: expected a UUID such as",
        "/requestId    | null           | requestId: missing",
        "/selector     | []             | selector: expected an object, found an array",
        "/selector/kin | 1              | selector: unknown field 'kin'; known are kind, subjectId",
        "/selector/kind| '\"ALL\"'        | selector.kind: expected one of [SUBJECT, SAMPLES",
        "/selector/sampleIds | [1]      | selector.sampleIds[0]: expected a string, found a number",
        "/receivedAt   | '\"yesterday\"'  | receivedAt: expected an instant such as",
        "/models       | '\"digits\"'     | models: expected an array, found a string",
      })
  void malformedInputNamesTheField(String field, String value, String message) throws IOException {
    // Given
    ObjectNode json = request();
    int last = field.lastIndexOf('/');
    JsonNode parent = json.at(field.substring(0, last));
    ((ObjectNode) parent).set(field.substring(last + 1), MAPPER.readTree(value));

    // When / Then
    assertThatThrownBy(() -> JsonRecords.fromJson(json, DeletionRequest.class))
        .isInstanceOf(JsonFormException.class)
        .hasMessageStartingWith(message);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "1.5        | samples: expected a whole number, found a nu",
        "3000000000 | samples: expected a whole number from -21",
      })
  void aWholeNumberIsWhole(String value, String message) throws IOException {
    // Given
    ObjectNode json =
        JsonRecords.toJson(
            SetMetrics.newBuilder().setAccuracy(0.5).setLoss(1.0).setSamples(10).build());
    json.set("samples", MAPPER.readTree(value));

    // When / Then
    assertThatThrownBy(() -> JsonRecords.fromJson(json, SetMetrics.class))
        .isInstanceOf(JsonFormException.class)
        .hasMessageStartingWith(message);
  }

  @Test
  void numbersThatJsonLacksAreStrings() {
    // Given
    SetMetrics metrics =
        SetMetrics.newBuilder().setAccuracy(Double.NaN).setLoss(1 / 0.0).setSamples(1).build();

    // When
    ObjectNode json = JsonRecords.toJson(metrics);

    // Then
    assertThat(json.toString())
        .isEqualTo("{\"accuracy\":\"NaN\",\"loss\":\"Infinity\",\"samples\":1,\"classes\":[]}");
    SetMetrics read = JsonRecords.fromJson(json, SetMetrics.class);
    assertThat(read.getAccuracy()).isNaN();
    assertThat(read.getLoss()).isEqualTo(Double.POSITIVE_INFINITY);
  }

  private static ObjectNode request() {
    ObjectNode json = MAPPER.createObjectNode();
    json.put("requestId", ID.toString());
    json.putObject("selector").put("kind", "SUBJECT").put("subjectId", "s");
    json.put("receivedAt", "2026-01-31T12:00:00Z");
    return json;
  }

  private static SpecificRecord throughAvro(SpecificRecord record) throws IOException {
    SpecificData model = SpecificData.getForSchema(record.getSchema());
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    BinaryEncoder encoder = EncoderFactory.get().binaryEncoder(out, null);
    new SpecificDatumWriter<SpecificRecord>(record.getSchema(), model).write(record, encoder);
    encoder.flush();
    return new SpecificDatumReader<SpecificRecord>(record.getSchema(), record.getSchema(), model)
        .read(null, DecoderFactory.get().binaryDecoder(out.toByteArray(), null));
  }
}
