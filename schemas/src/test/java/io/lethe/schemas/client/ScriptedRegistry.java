package io.lethe.schemas.client;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;

/**
 * An HTTP server that gives the next of its answers to each request; the last one again and again.
 */
final class ScriptedRegistry implements AutoCloseable {
  private final HttpServer server;
  private final Deque<Answer> answers = new ArrayDeque<>();
  private final List<Request> requests = new ArrayList<>();

  record Answer(int status, String body) {}

  record Request(String line, String body, Map<String, List<String>> headers) {}

  ScriptedRegistry(Answer... script) throws IOException {
    answers.addAll(List.of(script));
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.createContext(
        "/",
        exchange -> {
          String body =
              new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
          String line = exchange.getRequestMethod() + " " + exchange.getRequestURI();
          Answer answer = next(new Request(line, body, exchange.getRequestHeaders()));
          byte[] bytes = answer.body().getBytes(StandardCharsets.UTF_8);
          exchange.sendResponseHeaders(answer.status(), bytes.length == 0 ? -1 : bytes.length);
          exchange.getResponseBody().write(bytes);
          exchange.close();
        });
    server.start();
  }

  private synchronized Answer next(Request request) {
    requests.add(request);
    return answers.size() > 1 ? answers.removeFirst() : answers.getFirst();
  }

  synchronized List<Request> requests() {
    return List.copyOf(requests);
  }

  String hostAndPort() {
    return "localhost:" + server.getAddress().getPort();
  }

  String url() {
    return "http://" + hostAndPort();
  }

  @Override
  public void close() {
    server.stop(0);
  }
}
