package io.lethe.dataset;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class LineageFileTest {
  @TempDir Path directory;

  private Path file(String... lines) throws IOException {
    return Files.writeString(directory.resolve("lineage.csv"), String.join("\n", lines) + "\n");
  }

  @Test
  void theHeaderSaysWhereTheColumnsAre() throws IOException {
    // Given
    Path file = file("note,subject_id,sample_id", "x,alice,s1", ",bob,\"s,2\"", "", "z,alice,s3");

    // When
    Map<String, List<String>> samples = LineageFile.read(file);

    // Then
    assertThat(samples)
        .containsEntry("alice", List.of("s1", "s3"))
        .containsEntry("bob", List.of("s,2"))
        .hasSize(2);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {"s3", "s3,", ",carol", "s3,carol,more", "'\"s3,carol'"})
  void aBadRowIsNamedByItsLineAndNotQuoted(String bad) throws IOException {
    // Given
    Path file = file("sample_id,subject_id", "s1,alice", "s2,bob", bad, "s4,dave");
    List<String> taken = new ArrayList<>();

    // When, Then
    assertThatThrownBy(
            () -> LineageFile.forEach(file, (sample, subject) -> taken.add(sample), n -> {}))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith(file + ": line 4 ")
        .message()
        .doesNotContain("carol")
        .hasLineCount(1);
    assertThat(taken).containsExactly("s1", "s2");
  }

  @Test
  void aHeaderWithoutTheColumnsIsRefused() throws IOException {
    // Given
    Path file = file("sample,person", "s1,alice");

    // When, Then
    assertThatThrownBy(() -> LineageFile.read(file))
        .hasMessage(file + ": line 1 does not name the columns sample_id and subject_id");
  }

  @Test
  void aFileWithoutRowsIsRefused() throws IOException {
    // Given
    Path file = file("sample_id,subject_id");

    // When, Then
    assertThatThrownBy(() -> LineageFile.read(file)).hasMessage(file + ": no line of lineage");
  }

  @Test
  void gzipIsReadAndADamagedOneIsSaidToBe() throws IOException {
    // Given
    Path whole = directory.resolve("whole.csv.gz");
    StringBuilder text = new StringBuilder("sample_id,subject_id\n");
    for (int i = 0; i < 5_000; i++) {
      text.append("s").append(i * 7919 % 5_000).append(",p").append(i * 31 % 97).append('\n');
    }
    try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(whole))) {
      out.write(text.toString().getBytes(StandardCharsets.UTF_8));
    }
    byte[] bytes = Files.readAllBytes(whole);
    Path half = directory.resolve("half.csv.gz");
    Files.write(half, Arrays.copyOf(bytes, bytes.length / 2));

    // When
    long[] read = {0};
    long rows = LineageFile.forEach(whole, (sample, subject) -> {}, count -> read[0] = count);

    // Then
    assertThat(rows).isEqualTo(5_000);
    assertThat(read[0]).isEqualTo(bytes.length);
    assertThatThrownBy(() -> LineageFile.read(half))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining(half.toString())
        .hasMessageEndingWith("the gzip data is damaged or ends early");
  }
}
