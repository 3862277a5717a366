/**
 * A Schema Registry inside this JVM: the subset of Confluent's REST API that serdes and tools use,
 * kept in topic {@code _schemas} in Confluent's record layout, so that theirs can take over.
 *
 * <p>{@code RegistryHttp} speaks HTTP, {@code SubjectService} decides, {@code RegistryState} is
 * what a replay of the {@code SchemaLog} gives. Imports Kafka's clients, never its server.
 */
package io.lethe.registry;
