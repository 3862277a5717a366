/**
 * The Schema Registry client: Confluent's REST API on {@code java.net.http}.
 *
 * <p>{@link io.lethe.schemas.client.SchemaRegistryClient} is the contract, {@code Rest…} speaks
 * HTTP (failover, retries), {@code Caching…} remembers, {@code InMemory…} answers {@code mock://}
 * URLs. May import Avro, Jackson and Kafka's configuration and TLS classes; knows no serde.
 */
package io.lethe.schemas.client;
