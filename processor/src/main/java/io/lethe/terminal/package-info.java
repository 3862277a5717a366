/** What commands show a person: lines, progress, tables. Imports nothing of the program. */
package io.lethe.terminal;
