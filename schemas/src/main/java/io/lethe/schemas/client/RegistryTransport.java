package io.lethe.schemas.client;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import io.lethe.schemas.client.RegistryClientConfig.Endpoint;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.common.errors.InterruptException;
import org.apache.kafka.common.security.ssl.DefaultSslEngineFactory;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Requests to whichever endpoint answers. An IO error, 429 or 5xx moves on to the next endpoint,
 * and after a full round waits; anything else is the registry's answer and is final. Thread-safe.
 */
final class RegistryTransport implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(RegistryTransport.class);
  private static final String MEDIA_TYPE = "application/vnd.schemaregistry.v1+json";
  private static final int LONGEST_REASON = 500;
  private static final ObjectMapper JSON = new ObjectMapper();

  private final RegistryClientConfig config;
  private final HttpClient http;

  /** Index of the endpoint that answered last: the next request starts there. */
  private final AtomicInteger preferred = new AtomicInteger();

  RegistryTransport(RegistryClientConfig config) {
    this.config = config;
    HttpClient.Builder builder =
        HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .followRedirects(HttpClient.Redirect.NORMAL)
            .connectTimeout(config.connectTimeout());
    if (!config.tls().isEmpty()) {
      try (DefaultSslEngineFactory tls = new DefaultSslEngineFactory()) {
        tls.configure(config.tls());
        builder.sslContext(tls.sslContext());
      }
    }
    this.http = builder.build();
  }

  /**
   * @param body JSON, or null for none
   * @return the body of the answer, if its status is 2xx
   */
  JsonNode send(String method, String path, String body) {
    SchemaRegistryUnavailableException last = null;
    for (int round = 0; round <= config.retries(); round++) {
      if (round > 0) {
        pause(round);
      }
      int first = preferred.get();
      for (int i = 0; i < config.endpoints().size(); i++) {
        int index = (first + i) % config.endpoints().size();
        try {
          JsonNode answer = exchange(config.endpoints().get(index), method, path, body);
          preferred.set(index);
          return answer;
        } catch (SchemaRegistryUnavailableException e) {
          log.debug("{}", e.getMessage());
          last = e;
        }
      }
    }
    throw last;
  }

  private JsonNode exchange(Endpoint endpoint, String method, String path, String body) {
    HttpRequest.Builder request =
        HttpRequest.newBuilder(URI.create(endpoint.uri() + path))
            .timeout(config.readTimeout())
            .header("Accept", MEDIA_TYPE + ", application/json")
            .header("Content-Type", MEDIA_TYPE)
            .method(method, body == null ? BodyPublishers.noBody() : BodyPublishers.ofString(body));
    if (!endpoint.authorization().isEmpty()) {
      request.header("Authorization", endpoint.authorization());
    }
    String where = "Schema registry " + endpoint + ": " + method + " " + path + ": ";
    HttpResponse<String> response;
    try {
      response = http.send(request.build(), BodyHandlers.ofString());
    } catch (IOException e) {
      String reason = e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
      throw new SchemaRegistryUnavailableException(where + oneLine(reason), 0, 0, e);
    } catch (InterruptedException e) {
      throw new InterruptException(e);
    }
    int status = response.statusCode();
    if (status >= 200 && status < 300) {
      return answer(response.body(), where, status);
    }
    throw refusal(response.body(), where, status);
  }

  private static JsonNode answer(String body, String where, int status) {
    try {
      return JSON.readTree(body);
    } catch (JsonProcessingException e) {
      throw new SchemaRegistryException(where + "the answer is not JSON", status, 0, null);
    }
  }

  private static SchemaRegistryException refusal(String body, String where, int status) {
    JsonNode error;
    try {
      error = JSON.readTree(body);
    } catch (JsonProcessingException e) {
      error = MissingNode.getInstance();
    }
    int code = error.path("error_code").asInt();
    String message = where + RegistryError.of(status, code).description() + " (HTTP " + status;
    message += code != 0 && code != status ? ", code " + code + ")" : ")";
    if (error.hasNonNull("message")) {
      message += ": " + oneLine(error.path("message").asText());
    }
    return status == 429 || status >= 500
        ? new SchemaRegistryUnavailableException(message, status, code, null)
        : new SchemaRegistryException(message, status, code, null);
  }

  private static String oneLine(String text) {
    String line = text.replaceAll("\\s+", " ");
    return line.length() <= LONGEST_REASON ? line : line.substring(0, LONGEST_REASON) + "…";
  }

  /**
   * Exponential, with the upper half random: clients that lost a registry together return apart.
   */
  private void pause(int round) {
    long cap =
        Math.min(
            config.retryMaxWait().toMillis(),
            config.retryWait().toMillis() << Math.min(round - 1, 20));
    try {
      Thread.sleep(cap / 2 + ThreadLocalRandom.current().nextLong(cap / 2 + 1));
    } catch (InterruptedException e) {
      throw new InterruptException(e);
    }
  }

  @Override
  public void close() {
    // HttpClient is not closeable before Java 21; its selector thread ends once it is unreachable.
  }
}
