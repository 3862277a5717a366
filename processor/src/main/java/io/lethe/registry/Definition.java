package io.lethe.registry;

import java.util.List;

/**
 * What a schema is told apart by: its text as Avro prints it, docs and all, without what it refers
 * to, and its references.
 */
record Definition(String text, List<Reference> references) {}
