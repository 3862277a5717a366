/**
 * What the commands that need no Kafka are made of: recipe files, sample lists, Fisher files,
 * held-out targets as files, reports. Reads and writes files, computes by {@code unlearning}.
 */
package io.lethe.offline;
