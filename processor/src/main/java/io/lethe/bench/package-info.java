/**
 * Benchmarks that ship with the program, so that every figure can be taken again on the machine it
 * is asked about. Each measures what is compared in one process and one run. May import everything
 * but the commands.
 */
package io.lethe.bench;
