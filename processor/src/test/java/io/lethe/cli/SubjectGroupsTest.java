package io.lethe.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.lethe.privacy.PseudonymKey;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SubjectGroupsTest {
  @TempDir Path directory;

  private static List<SubjectGroups.Group> groups(SubjectGroups groups) throws IOException {
    List<SubjectGroups.Group> all = new ArrayList<>();
    groups.forEach(all::add);
    return all;
  }

  @Test
  void whatDoesNotFitIntoMemoryComesTogetherAllTheSame() throws IOException {
    // Given: 1,000 rows of 37 people in random order, some of them twice
    PseudonymKey key = PseudonymKey.loadOrCreate(directory.resolve("key"));
    Random random = new Random(5);
    Map<String, List<String>> expected = new HashMap<>();
    try (SubjectGroups bounded = new SubjectGroups(key, 90);
        SubjectGroups inMemory = new SubjectGroups(key)) {
      for (int i = 0; i < 1_000; i++) {
        String subject = "p" + random.nextInt(37);
        String sample = "sä" + random.nextInt(400);
        List<String> samples =
            expected.computeIfAbsent(key.pseudonym(subject), name -> new ArrayList<>());
        if (!samples.contains(sample)) {
          samples.add(sample);
        }
        bounded.add(sample, subject);
        inMemory.add(sample, subject);
      }
      assertThat(bounded.spilled()).isEqualTo(11);

      // When
      List<SubjectGroups.Group> merged = groups(bounded);

      // Then
      assertThat(merged).hasSize(37).isEqualTo(groups(inMemory));
      assertThat(merged).extracting(SubjectGroups.Group::subjectId).isSorted();
      assertThat(merged)
          .allSatisfy(
              group ->
                  assertThat(group.sampleIds())
                      .containsExactlyElementsOf(expected.get(group.subjectId())));
    }
  }
}
