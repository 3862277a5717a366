/** Pseudonyms of data subjects. Imports nothing of the program. */
package io.lethe.privacy;
