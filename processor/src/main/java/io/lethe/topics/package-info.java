/**
 * The topics, their types and what every Kafka client of the program needs to reach them. Imports
 * only the schemas module.
 */
package io.lethe.topics;
