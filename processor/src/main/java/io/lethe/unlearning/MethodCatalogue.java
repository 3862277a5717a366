package io.lethe.unlearning;

import io.lethe.events.UnlearningPolicy;
import java.util.List;
import java.util.ServiceLoader;

/**
 * The methods that a ladder may name. Found as a service, so that the pipeline knows no method, and
 * a jar on the class path may bring its own in place of the built-in ones.
 */
public interface MethodCatalogue {
  /**
   * A method.
   *
   * @param name in a policy's ladder
   * @param summary what it does and from which paper, in one line
   * @param defaults its hyperparameters as JSON
   */
  record Entry(String name, String summary, String defaults) {}

  /** All methods, by name. */
  List<Entry> entries();

  /**
   * The method with the policy's hyperparameters.
   *
   * @throws UnlearningException when there is no such method, nor one that the policy gives
   *     hyperparameters, or when a hyperparameter is unknown or out of its range
   */
  UnlearningMethod create(String name, UnlearningPolicy policy);

  /** The catalogue on the class path. */
  static MethodCatalogue installed() {
    return ServiceLoader.load(MethodCatalogue.class, MethodCatalogue.class.getClassLoader())
        .findFirst()
        .orElseThrow(() -> new IllegalStateException("no unlearning methods on the class path"));
  }
}
