package io.lethe.embedded;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;

/**
 * Ports of 127.0.0.1, where the embedded servers listen and nobody else on the network reaches
 * them.
 */
public final class Loopback {
  public static final String HOST = "127.0.0.1";

  private Loopback() {}

  /**
   * The port itself if nobody listens there, a free one for 0. Another program may still take it
   * before the caller does: the caller's own bind has the last word.
   *
   * @throws EmbeddedException if the port is taken
   */
  public static int claim(int port) {
    try (ServerSocket socket = new ServerSocket()) {
      socket.bind(new InetSocketAddress(InetAddress.getByName(HOST), port));
      return socket.getLocalPort();
    } catch (IOException e) {
      throw occupied(port, e);
    }
  }

  public static EmbeddedException occupied(int port, Throwable cause) {
    return new EmbeddedException(
        "Port "
            + HOST
            + ":"
            + port
            + " is not free: stop what listens there or choose another port",
        cause);
  }
}
