/**
 * The one JSON form of the events: what REST, reports and attestations write and read.
 *
 * <p>Anything may import this package; it imports nothing but Avro and Jackson.
 */
package io.lethe.json;
