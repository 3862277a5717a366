/**
 * What each role of the program consists of: the stream role (topology and API), the worker role,
 * and the embedded stack that runs both beside a broker and a registry in one process.
 */
package io.lethe.roles;
