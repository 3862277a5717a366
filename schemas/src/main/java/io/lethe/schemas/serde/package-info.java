/**
 * Avro to and from bytes: {@link io.lethe.schemas.serde.AvroSerde} for topics that others read
 * (Confluent wire format, schemas in a registry), {@link io.lethe.schemas.serde.StateSerde} for
 * stores and internal topics (Avro single-object encoding, no registry).
 *
 * <p>Bytes are hostile until decoded: no length in a record is believed beyond the record's own
 * size, and no message of an exception thrown here holds a value.
 */
package io.lethe.schemas.serde;
