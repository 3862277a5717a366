package io.lethe.registry;

import java.util.List;

/**
 * A schema as a client sends it.
 *
 * @param normalize whether the order of properties and of references matters not
 * @param version the one that an import gives it, 0 for the next
 * @param id the one that an import gives it, 0 for the registry's choice
 */
record SentSchema(String text, List<Reference> references, boolean normalize, int version, int id) {

  /** A schema that refers to no other. */
  static SentSchema of(String text) {
    return new SentSchema(text, List.of(), false, 0, 0);
  }
}
