/**
 * REST under {@code /v1}, health, and the client of the API that a worker in another process uses.
 * Errors are problem+json (RFC 9457). Imports {@code topology} and {@code fisher}.
 */
package io.lethe.api;
