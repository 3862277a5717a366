/**
 * An Apache Kafka broker inside this JVM, for one machine and no operator.
 *
 * <p>May import Kafka's server classes; nothing else in the program may.
 */
package io.lethe.embedded;
