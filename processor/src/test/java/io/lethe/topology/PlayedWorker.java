package io.lethe.topology;

import io.lethe.events.FisherChunk;
import io.lethe.events.FisherUpdateKind;
import io.lethe.events.HeldOutChunk;
import io.lethe.events.HeldOutCommit;
import io.lethe.events.JobKind;
import io.lethe.events.JobOutcome;
import io.lethe.events.UnlearningJob;
import io.lethe.events.Verdict;
import io.lethe.fisher.FisherDiagonal;
import io.lethe.heldout.HeldOutChunks;
import io.lethe.heldout.HeldOutRows;
import io.lethe.state.Phase;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.IntStream;

/**
 * Takes the jobs that the topology offers, and ends them as a step says: on it and by the rules.
 */
final class PlayedWorker {
  static final int TRAINING_SAMPLES = 100;

  /** Of a Fisher update: small tensors have one each. */
  static final Set<String> CHUNKS = new TreeSet<>(Set.of("bias", "weight"));

  static final String FISHER_COMMIT = "";

  /** The pieces of held-out targets, each of one sample. */
  static final List<String> TARGETS = List.of("part 0", "part 1");

  static final String TARGETS_COMMIT = "part -1";

  /** The samples that have held-out targets. */
  static final Set<String> PREDICTED = new TreeSet<>(Set.of("p0-0", "p1-1"));

  private static final int ALL = -1;

  private final TopologyFixture lethe;
  private final IntakeRules rules;
  private final Map<String, UnlearningJob> jobs = new HashMap<>();
  private final Map<String, UnlearningJob> played = new HashMap<>();
  private final Map<String, Integer> offers = new HashMap<>();
  private final Map<String, String> anchors = new HashMap<>();

  PlayedWorker(TopologyFixture lethe, IntakeRules rules) {
    this.lethe = lethe;
    this.rules = rules;
  }

  void readJobs() {
    for (UnlearningJob job : lethe.jobs()) {
      jobs.put(job.getModelId(), job);
      offers.merge(job.getModelId(), 1, Integer::sum);
    }
  }

  /** The model's last job, perhaps ended long ago; null before its first. */
  UnlearningJob job(String model) {
    readJobs();
    return jobs.get(model);
  }

  int offers(String model) {
    return offers.getOrDefault(model, 0);
  }

  /** Digest of the model's anchor. */
  String anchor(String model) {
    return anchors.getOrDefault(model, TopologyFixture.SHA);
  }

  void anchorIs(String model, String sha256) {
    anchors.put(model, sha256);
  }

  /** The job's work is done and all of it arrives. */
  void releases(String model) {
    UnlearningJob job = job(model);
    BatchingRules ruled = rules.models.get(model);
    if (ruled.phase() == Phase.RETRAINING) {
      anchors.put(model, retrainedBy(job));
    }
    play(job);
    int number = ruled.job().number;
    CHUNKS.forEach(chunk -> ruled.arrives(number, chunk));
    ruled.arrives(number, FISHER_COMMIT);
    TARGETS.forEach(part -> ruled.arrives(number, part));
    ruled.arrives(number, TARGETS_COMMIT);
    ruled.released(number);
  }

  /** The last job's records arrive once more. */
  void releasesAgain(String model) {
    play(played.get(model));
  }

  /**
   * The outcome arrives, and some records of the Fisher update; all others are lost.
   *
   * @param mask those that arrive
   * @param outcomeFirst as workers send it; else last
   */
  void fisherArrivesInPart(String model, int mask, boolean outcomeFirst) {
    if (hasUpdate(model)) {
      arrive(model, mask, 0, outcomeFirst, !outcomeFirst);
    }
  }

  /** The same of the held-out targets, with the whole Fisher update: nothing else is missing. */
  void targetsArriveInPart(String model, int mask, boolean outcomeFirst) {
    if (hasUpdate(model)) {
      arrive(model, ALL, mask, outcomeFirst, !outcomeFirst);
    }
  }

  /** The updates of a run arrive so late that its outcome is no longer waited for. */
  void arrivesWithoutOutcome(String model) {
    if (hasUpdate(model)) {
      arrive(model, ALL, ALL, false, false);
    }
  }

  private boolean hasUpdate(String model) {
    return job(model).getKind() != JobKind.RETRAIN;
  }

  private void arrive(
      String model, int chunks, int targets, boolean outcomeFirst, boolean outcomeLast) {
    UnlearningJob job = job(model);
    BatchingRules ruled = rules.models.get(model);
    int number = ruled.job().number;
    Map<String, List<String>> classes = classes(job);
    if (outcomeFirst) {
      outcome(job, classes);
      ruled.released(number);
    }
    for (FisherChunk chunk : chosen(fisher(job, classes), chunks)) {
      lethe.fisher(chunk);
      ruled.arrives(number, chunk.getTensor());
    }
    for (HeldOutChunk part : chosen(targets(job), targets)) {
      lethe.heldOut(part);
      ruled.arrives(number, "part " + part.getPart());
    }
    if (outcomeLast) {
      outcome(job, classes);
      ruled.released(number);
    }
  }

  private static <T> List<T> chosen(List<T> records, int mask) {
    return IntStream.range(0, records.size())
        .filter(index -> (mask & (1 << index)) != 0)
        .mapToObj(records::get)
        .toList();
  }

  /** Does the work of a job on the topology. */
  void play(UnlearningJob job) {
    played.put(job.getModelId(), job);
    Map<String, List<String>> classes = classes(job);
    if (job.getKind() == JobKind.RETRAIN) {
      lethe.retrained(job, retrainedBy(job), classes);
    } else {
      fisher(job, classes).forEach(lethe::fisher);
      targets(job).forEach(lethe::heldOut);
      outcome(job, classes);
    }
  }

  private void outcome(UnlearningJob job, Map<String, List<String>> classes) {
    JobOutcome.Builder outcome = lethe.outcomeOf(job, classes);
    if (job.getSampleIds().isEmpty() && classes.values().stream().allMatch(List::isEmpty)) {
      outcome.setArtifactSha256(job.getParentSha256().orElse(job.getAnchorSha256()));
    }
    lethe.send(lethe.topics.jobOutcomes(), job.getModelId(), outcome.build());
  }

  /** What the worker finds of the job's classes. */
  private Map<String, List<String>> classes(UnlearningJob job) {
    BatchingRules model = rules.models.get(job.getModelId());
    Map<String, List<String>> classes = new TreeMap<>();
    job.getClasses()
        .forEach(label -> classes.put(label, List.copyOf(model.memory().resolved(label))));
    return classes;
  }

  /** The job's Fisher update, in the order of {@link #CHUNKS}; its commit marker last. */
  private static List<FisherChunk> fisher(UnlearningJob job, Map<String, List<String>> classes) {
    if (job.getKind() == JobKind.ANCHOR) {
      return TopologyFixture.update(job, FisherUpdateKind.SNAPSHOT, diagonal(TRAINING_SAMPLES));
    }
    int ofClasses = classes.values().stream().mapToInt(List::size).sum();
    return TopologyFixture.update(
        job, FisherUpdateKind.SUBTRACT, diagonal(job.getSampleIds().size() + ofClasses));
  }

  /** The job's held-out targets, in the order of {@link #TARGETS}; their commit marker last. */
  private static List<HeldOutChunk> targets(UnlearningJob job) {
    if (!job.getHeldout()) {
      return List.of();
    }
    List<HeldOutChunk> records = new ArrayList<>();
    HeldOutChunk.Builder commit = HeldOutChunk.newBuilder();
    for (String sample : PREDICTED) {
      HeldOutChunk marker =
          HeldOutChunks.split(
              new HeldOutChunks.Of(job.getJobId(), job.getModelId(), job.getAnchorId()),
              new HeldOutRows(2, List.of(sample), new float[] {1, 0}),
              part -> records.add(HeldOutChunk.newBuilder(part).setPart(records.size()).build()));
      commit = HeldOutChunk.newBuilder(marker);
    }
    records.add(
        commit.setCommit(new HeldOutCommit(TARGETS.size(), (long) PREDICTED.size())).build());
    return records;
  }

  /** The sum over samples of which each adds 1 to every value; in two chunks. */
  static FisherDiagonal diagonal(int samples) {
    return new FisherDiagonal(
        CHUNKS.stream()
            .map(name -> new FisherDiagonal.Tensor(name, List.of(1L), new float[] {samples}))
            .toList(),
        samples);
  }

  /** Digest of the model that a job trained. */
  private static String retrainedBy(UnlearningJob job) {
    return job.getJobId().toString().replace("-", "").repeat(2);
  }

  void holds(String model) {
    lethe.outcome(job(model), Verdict.HOLD);
    rules.models.get(model).gateFails();
  }

  void escalates(String model) {
    lethe.outcome(job(model), Verdict.ESCALATE);
    rules.models.get(model).escalates();
  }

  void fails(String model) {
    lethe.outcome(job(model), Verdict.FAILED);
    rules.models.get(model).fails();
  }

  /** The dataset lacks some samples of the job, and one that no request names. */
  void lacks(String model, int mask, int deliveries) {
    UnlearningJob job = job(model);
    Set<String> unknown = new TreeSet<>(Set.of("p0-nowhere"));
    List<String> named = job.getSampleIds();
    IntStream.range(0, named.size())
        .filter(index -> (mask & (1 << index % 3)) != 0)
        .forEach(index -> unknown.add(named.get(index)));
    for (int i = 0; i < deliveries; i++) {
      lethe.lacks(job, unknown);
    }
    rules.models.get(model).lacks(unknown);
  }
}
