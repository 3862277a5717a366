/** The main job, played from nothing to receipts on a running stack. */
package io.lethe.demo;
