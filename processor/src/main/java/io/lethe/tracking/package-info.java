/**
 * The sub-topology that is keyed by request: follows each deletion request from acceptance to its
 * one receipt. Imports the schemas module and Kafka Streams; knows no topic names.
 */
package io.lethe.tracking;
