package io.lethe.topology;

import io.lethe.events.JobKind;
import io.lethe.events.UnlearningJob;
import io.lethe.events.Verdict;
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

  private final TopologyFixture lethe;
  private final IntakeRules rules;
  private final Map<String, UnlearningJob> jobs = new HashMap<>();
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

  void releases(String model, boolean twice) {
    UnlearningJob job = job(model);
    if (rules.models.get(model).phase() == Phase.RETRAINING) {
      anchors.put(model, retrainedBy(job));
    }
    play(job);
    if (twice) {
      play(job);
    }
    rules.models.get(model).released();
  }

  /** Does the work of a job on the topology. */
  void play(UnlearningJob job) {
    Map<String, List<String>> classes = new TreeMap<>();
    BatchingRules model = rules.models.get(job.getModelId());
    job.getClasses().forEach(label -> classes.put(label, List.copyOf(model.resolved(label))));
    if (job.getKind() == JobKind.ANCHOR) {
      lethe.snapshot(job, TopologyFixture.diagonal(TRAINING_SAMPLES, 10f, 20f, 30f));
      lethe.outcome(job, Verdict.RELEASE);
    } else if (job.getKind() == JobKind.RETRAIN) {
      lethe.retrained(job, retrainedBy(job), classes);
    } else {
      lethe.unlearned(job, classes);
    }
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
