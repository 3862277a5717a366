/**
 * The sub-topology that is keyed by data subject: validates deletion requests, drops duplicates,
 * resolves subjects through lineage to samples and models, and emits one erasure task per model.
 * Imports the schemas module and Kafka Streams; knows no topic names and no numerical code.
 */
package io.lethe.intake;
