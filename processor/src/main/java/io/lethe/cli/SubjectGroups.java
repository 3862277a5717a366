package io.lethe.cli;

import io.lethe.privacy.PseudonymKey;
import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.Set;

/**
 * Rows of lineage, in any order, brought together by subject in bounded memory: what does not fit
 * is written to temporary files that only the owner may read, sorted by pseudonym, and merged. The
 * identities of subjects are in memory only.
 */
final class SubjectGroups implements AutoCloseable {
  /** Characters and rows of a run; some 150 MB of heap. */
  private static final long RUN_CHARACTERS = 24_000_000;

  private static final int RUN_ROWS = 1_000_000;
  private static final int BUFFER = 1 << 16;

  /** Samples of a subject stay in the order of their rows. */
  private static final Comparator<Run> BY_SUBJECT_THEN_FILE =
      Comparator.comparing(Run::subjectId).thenComparingInt(Run::number);

  private final PseudonymKey pseudonyms;
  private final int runRows;
  private final List<Path> runs = new ArrayList<>();
  private Map<String, Group> open = new HashMap<>();
  private long characters;
  private int rows;

  /** The samples of one subject. */
  record Group(String subjectId, List<String> sampleIds) {}

  /** Takes one group. */
  @FunctionalInterface
  interface Taker {
    void take(Group group) throws IOException;
  }

  SubjectGroups(PseudonymKey pseudonyms) {
    this(pseudonyms, RUN_ROWS);
  }

  /**
   * @param runRows rows that are kept in memory at most
   */
  SubjectGroups(PseudonymKey pseudonyms, int runRows) {
    this.pseudonyms = pseudonyms;
    this.runRows = runRows;
  }

  void add(String sampleId, String subject) throws IOException {
    open.computeIfAbsent(subject, name -> new Group(pseudonyms.pseudonym(name), new ArrayList<>(2)))
        .sampleIds()
        .add(sampleId);
    characters += sampleId.length();
    rows++;
    if (rows >= runRows || characters >= RUN_CHARACTERS) {
      spill();
    }
  }

  /** How many runs did not fit into memory. */
  int spilled() {
    return runs.size();
  }

  /** Hands over each subject once, with all its samples, each of them once. */
  void forEach(Taker taker) throws IOException {
    if (runs.isEmpty()) {
      for (Group group : sorted()) {
        taker.take(merged(group.subjectId(), List.of(group)));
      }
      return;
    }
    spill();
    PriorityQueue<Run> heads = new PriorityQueue<>(BY_SUBJECT_THEN_FILE);
    List<Run> all = new ArrayList<>();
    try {
      for (Path file : runs) {
        Run run = new Run(file, all.size());
        all.add(run);
        if (run.advance()) {
          heads.add(run);
        }
      }
      while (!heads.isEmpty()) {
        String subjectId = heads.peek().subjectId();
        List<Group> same = new ArrayList<>();
        while (!heads.isEmpty() && heads.peek().subjectId().equals(subjectId)) {
          Run run = heads.poll();
          same.add(run.head);
          if (run.advance()) {
            heads.add(run);
          }
        }
        taker.take(merged(subjectId, same));
      }
    } finally {
      for (Run run : all) {
        run.close();
      }
    }
  }

  private static Group merged(String subjectId, List<Group> groups) {
    Set<String> samples = new LinkedHashSet<>();
    groups.forEach(group -> samples.addAll(group.sampleIds()));
    return new Group(subjectId, List.copyOf(samples));
  }

  private List<Group> sorted() {
    List<Group> groups = new ArrayList<>(open.values());
    groups.sort(Comparator.comparing(Group::subjectId));
    return groups;
  }

  private void spill() throws IOException {
    if (open.isEmpty()) {
      return;
    }
    Path file = Files.createTempFile("lethe-lineage", ".run"); // owner only
    runs.add(file);
    try (DataOutputStream out =
        new DataOutputStream(new BufferedOutputStream(Files.newOutputStream(file), BUFFER))) {
      for (Group group : sorted()) {
        write(out, group.subjectId());
        out.writeInt(group.sampleIds().size());
        for (String sampleId : group.sampleIds()) {
          write(out, sampleId);
        }
      }
      out.writeInt(-1);
    }
    open = new HashMap<>();
    characters = 0;
    rows = 0;
  }

  private static void write(DataOutputStream out, String text) throws IOException {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    out.writeInt(bytes.length);
    out.write(bytes);
  }

  /** A sorted run and the group that comes next in it. */
  private static final class Run implements AutoCloseable {
    private final int number;
    private final DataInputStream in;
    private Group head;

    /**
     * @param number among the runs, in the order of the rows
     */
    Run(Path file, int number) throws IOException {
      this.number = number;
      in = new DataInputStream(new BufferedInputStream(Files.newInputStream(file), BUFFER));
    }

    int number() {
      return number;
    }

    String subjectId() {
      return head.subjectId();
    }

    boolean advance() throws IOException {
      int length = in.readInt();
      if (length < 0) {
        return false;
      }
      String subjectId = text(length);
      int count = in.readInt();
      List<String> samples = new ArrayList<>(count);
      for (int i = 0; i < count; i++) {
        samples.add(text(in.readInt()));
      }
      head = new Group(subjectId, samples);
      return true;
    }

    private String text(int length) throws IOException {
      return new String(in.readNBytes(length), StandardCharsets.UTF_8);
    }

    @Override
    public void close() throws IOException {
      in.close();
    }
  }

  @Override
  public void close() throws IOException {
    for (Path run : runs) {
      Files.deleteIfExists(run);
    }
  }
}
