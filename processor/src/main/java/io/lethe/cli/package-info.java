/**
 * The commands: arguments in, exit codes and text out. May import everything; nothing imports it.
 */
package io.lethe.cli;
