package io.lethe.topology;

import io.lethe.events.FisherChunk;
import io.lethe.events.FisherUpdateKind;
import io.lethe.events.JobKind;
import io.lethe.events.UnlearningJob;
import io.lethe.events.Verdict;
import io.lethe.fisher.FisherDiagonal;
import io.lethe.state.Phase;
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
    int number = ruled.jobNumber();
    ruled.fisher(number, CHUNKS, true);
    ruled.released(number);
  }

  /** The last job's records arrive once more. */
  void releasesAgain(String model) {
    play(played.get(model));
  }

  /** When the outcome arrives: first, as workers send it; or of another offer, so not now. */
  enum OutcomeOf {
    THIS_RUN_BEFORE,
    THIS_RUN_AFTER,
    ANOTHER_RUN
  }

  /**
   * Some records of a job's update are lost.
   *
   * @param mask those that arrive; not empty
   */
  void arrivesInPart(String model, OutcomeOf outcome, int mask) {
    UnlearningJob job = job(model);
    if (job.getKind() == JobKind.RETRAIN) {
      return; // has no update
    }
    BatchingRules ruled = rules.models.get(model);
    Map<String, List<String>> classes = classes(job);
    List<FisherChunk> update = update(job, classes);
    Set<String> arriving = new TreeSet<>();
    for (int i = 0; i < update.size(); i++) {
      if ((mask & (1 << i)) != 0) {
        arriving.add(update.get(i).getTensor());
      }
    }
    boolean commitMarker = arriving.remove("");
    int number = ruled.jobNumber();
    if (outcome == OutcomeOf.THIS_RUN_BEFORE) {
      outcome(job, classes);
      ruled.released(number);
    }
    for (int i = 0; i < update.size(); i++) {
      if ((mask & (1 << i)) != 0) {
        lethe.fisher(update.get(i));
      }
    }
    ruled.fisher(number, arriving, commitMarker);
    if (outcome == OutcomeOf.THIS_RUN_AFTER) {
      outcome(job, classes);
      ruled.released(number);
    }
  }

  /** Does the work of a job on the topology. */
  void play(UnlearningJob job) {
    played.put(job.getModelId(), job);
    Map<String, List<String>> classes = classes(job);
    if (job.getKind() == JobKind.RETRAIN) {
      lethe.retrained(job, retrainedBy(job), classes);
    } else {
      update(job, classes).forEach(lethe::fisher);
      outcome(job, classes);
    }
  }

  private void outcome(UnlearningJob job, Map<String, List<String>> classes) {
    lethe.send(
        lethe.topics.jobOutcomes(), job.getModelId(), lethe.outcomeOf(job, classes).build());
  }

  /** What the worker finds of the job's classes. */
  private Map<String, List<String>> classes(UnlearningJob job) {
    BatchingRules model = rules.models.get(job.getModelId());
    Map<String, List<String>> classes = new TreeMap<>();
    job.getClasses().forEach(label -> classes.put(label, List.copyOf(model.resolved(label))));
    return classes;
  }

  /** The job's Fisher update, in the order of {@link #CHUNKS}; its commit marker last. */
  private static List<FisherChunk> update(UnlearningJob job, Map<String, List<String>> classes) {
    if (job.getKind() == JobKind.ANCHOR) {
      return TopologyFixture.update(job, FisherUpdateKind.SNAPSHOT, diagonal(TRAINING_SAMPLES));
    }
    int ofClasses = classes.values().stream().mapToInt(List::size).sum();
    return TopologyFixture.update(
        job, FisherUpdateKind.SUBTRACT, diagonal(job.getSampleIds().size() + ofClasses));
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
