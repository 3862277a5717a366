package io.lethe.topology;

/**
 * One thing that happens.
 *
 * @param which chooses the subject, the model or the request that it happens to, by the kind
 * @param mask chooses samples, one by each of its three bits, not none; or a record that is lost
 */
record RulesStep(Kind kind, int which, int mask) {
  enum Kind {
    // What requesters send: requests, commands on them, and ids that are taken.
    REQUEST,
    REQUEST_SAMPLES,
    REQUEST_CLASSES,
    CANCEL,
    HOLD,
    RELEASE,
    EXTEND,
    EARLY_HOLD,
    EARLY_CANCEL,
    REPEAT,
    CONFLICT,
    CONFLICT_ELSEWHERE,

    // What data owners and model owners say.
    LINEAGE,
    SOURCE_DELETED,
    ANOTHER_ARTIFACT,
    RETIRED,

    // What arrives of a job, and how it ends.
    JOB_ARRIVES_IN_PART,
    JOB_ARRIVES_WITHOUT_OUTCOME,
    JOB_RELEASES,
    JOB_RELEASES_TWICE,
    JOB_HOLDS,
    JOB_ESCALATES,
    JOB_FAILS,
    JOB_LACKS_SAMPLES,

    // A person's word on a model.
    RETRY,
    RELEASE_HELD,
    RETRAIN,

    // Time.
    MINUTES,
    HOUR,
    WEEK
  }
}
