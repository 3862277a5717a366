/**
 * Where model files lie, and whether they are still what they were when they were put there.
 *
 * <p>Everything above the event schemas may import this package; it imports no other of the
 * program.
 */
package io.lethe.artifact;
