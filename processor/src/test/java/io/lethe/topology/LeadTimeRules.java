package io.lethe.topology;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * How long before a due date a model begins, learned from its past jobs of a kind: twice the
 * longest of the last ones, between an hour and a week, and a week until there is one.
 */
final class LeadTimeRules {
  private static final Duration LEAST = Duration.ofHours(1);
  private static final Duration MOST = Duration.ofDays(7);
  private static final int REMEMBERED = 8;

  private final List<Duration> jobs = new ArrayList<>();

  void learn(Duration job) {
    jobs.add(job);
  }

  Duration lead() {
    if (jobs.isEmpty()) {
      return MOST;
    }
    List<Duration> last = jobs.subList(Math.max(0, jobs.size() - REMEMBERED), jobs.size());
    Duration twice = Collections.max(last).multipliedBy(2);
    return twice.compareTo(LEAST) < 0 ? LEAST : twice.compareTo(MOST) > 0 ? MOST : twice;
  }
}
