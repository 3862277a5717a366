package io.lethe.schemas.client;

import static org.apache.kafka.common.config.ConfigDef.Importance.HIGH;
import static org.apache.kafka.common.config.ConfigDef.Importance.LOW;
import static org.apache.kafka.common.config.ConfigDef.Importance.MEDIUM;
import static org.apache.kafka.common.config.ConfigDef.Range.atLeast;

import java.net.URI;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.config.types.Password;

/**
 * How to reach a registry. Settings have Confluent's names; those of authentication are read with
 * and without the prefix {@code schema.registry.}, the prefixed one first.
 *
 * @param endpoints where the registry answers, in order of preference; {@code schema.registry.url},
 *     a comma separated list
 * @param connectTimeout per connection; {@code http.connect.timeout.ms}, default 10 s
 * @param readTimeout per request; {@code http.read.timeout.ms}, default 30 s
 * @param retries rounds over all endpoints after the first; {@code max.retries}, default 3
 * @param retryWait wait before the second round, doubled for each further one, with jitter; {@code
 *     retries.wait.ms}, default 1 s
 * @param retryMaxWait longest such wait; {@code retries.max.wait.ms}, default 20 s
 * @param missingIdTtl how long an unknown id is remembered as unknown; {@code
 *     missing.id.cache.ttl.sec}, default 10 s, 0 switches it off
 * @param normalize whether the registry normalises schemas before it compares them; {@code
 *     normalize.schemas}, default false
 * @param tls Kafka's {@code ssl.*} settings, given as {@code schema.registry.ssl.*}; empty: the
 *     JVM's defaults
 */
public record RegistryClientConfig(
    List<Endpoint> endpoints,
    Duration connectTimeout,
    Duration readTimeout,
    int retries,
    Duration retryWait,
    Duration retryMaxWait,
    Duration missingIdTtl,
    boolean normalize,
    Map<String, Object> tls) {

  public static final String URL = "schema.registry.url";
  static final String PREFIX = "schema.registry.";
  private static final String BASIC_SOURCE = "basic.auth.credentials.source";
  private static final String BASIC_USER_INFO = "basic.auth.user.info";
  private static final String BEARER_SOURCE = "bearer.auth.credentials.source";
  private static final String BEARER_TOKEN = "bearer.auth.token";
  private static final String TLS_PREFIX = PREFIX + "ssl.";
  private static final String HOSTNAME_CHECK = "ssl.endpoint.identification.algorithm";

  private static final ConfigDef DEFINITION =
      new ConfigDef()
          .define(URL, ConfigDef.Type.LIST, HIGH, "Registry URLs, comma separated.")
          .define(BASIC_SOURCE, ConfigDef.Type.STRING, "URL", MEDIUM, "URL or USER_INFO.")
          .define(BASIC_USER_INFO, ConfigDef.Type.PASSWORD, "", MEDIUM, "user:password.")
          .define(BEARER_SOURCE, ConfigDef.Type.STRING, "STATIC_TOKEN", LOW, "STATIC_TOKEN.")
          .define(BEARER_TOKEN, ConfigDef.Type.PASSWORD, "", MEDIUM, "Bearer token.")
          .define("http.connect.timeout.ms", ConfigDef.Type.INT, 10_000, atLeast(1), LOW, "")
          .define("http.read.timeout.ms", ConfigDef.Type.INT, 30_000, atLeast(1), LOW, "")
          .define("max.retries", ConfigDef.Type.INT, 3, atLeast(0), LOW, "")
          .define("retries.wait.ms", ConfigDef.Type.INT, 1_000, atLeast(0), LOW, "")
          .define("retries.max.wait.ms", ConfigDef.Type.INT, 20_000, atLeast(0), LOW, "")
          .define("missing.id.cache.ttl.sec", ConfigDef.Type.LONG, 10L, atLeast(0), LOW, "")
          .define("normalize.schemas", ConfigDef.Type.BOOLEAN, false, LOW, "");

  private static final ConfigDef TLS_DEFINITION = new ConfigDef().withClientSslSupport();

  /**
   * @param uri without user info and without a trailing slash
   * @param authorization the header's value, empty for none
   */
  public record Endpoint(URI uri, String authorization) {
    /** Without the credentials, since endpoints appear in messages. */
    @Override
    public String toString() {
      return uri.toString();
    }
  }

  /** Reads client properties; what does not concern the registry is ignored. */
  public static RegistryClientConfig from(Map<String, ?> properties) {
    Map<String, Object> plain = new HashMap<>(properties);
    for (String name : List.of(BASIC_SOURCE, BASIC_USER_INFO, BEARER_SOURCE, BEARER_TOKEN)) {
      if (properties.containsKey(PREFIX + name)) {
        plain.put(name, properties.get(PREFIX + name));
      }
    }
    Map<String, Object> values = DEFINITION.parse(plain);
    List<Endpoint> endpoints = new ArrayList<>();
    for (Object url : (List<?>) values.get(URL)) {
      endpoints.add(endpoint((String) url, values));
    }
    if (endpoints.isEmpty()) {
      throw new ConfigException(URL + " names no URL");
    }
    return new RegistryClientConfig(
        List.copyOf(endpoints),
        millis(values, "http.connect.timeout.ms"),
        millis(values, "http.read.timeout.ms"),
        (Integer) values.get("max.retries"),
        millis(values, "retries.wait.ms"),
        millis(values, "retries.max.wait.ms"),
        Duration.ofSeconds((Long) values.get("missing.id.cache.ttl.sec")),
        (Boolean) values.get("normalize.schemas"),
        tls(properties));
  }

  /** Whether the registry lives in this JVM's memory only: {@code mock://scope}, for tests. */
  boolean inMemory() {
    return "mock".equals(endpoints.get(0).uri().getScheme());
  }

  private static Duration millis(Map<String, Object> values, String name) {
    return Duration.ofMillis((Integer) values.get(name));
  }

  private static Endpoint endpoint(String url, Map<String, Object> values) {
    URI uri;
    try {
      uri = new URI(url.strip());
      if (uri.getScheme() == null || uri.getHost() == null) {
        throw new ConfigException(URL + ": an entry is no absolute URL");
      }
      String path = uri.getPath().replaceAll("/+$", "");
      return new Endpoint(
          new URI(uri.getScheme(), null, uri.getHost(), uri.getPort(), path, null, null),
          authorization(uri, values));
    } catch (URISyntaxException e) {
      // Neither the URL nor the cause, which quotes it: it may hold a password.
      throw new ConfigException(URL + ": an entry is no valid URL");
    }
  }

  private static String authorization(URI uri, Map<String, Object> values) {
    String token = ((Password) values.get(BEARER_TOKEN)).value();
    if (!token.isEmpty()) {
      if (!"STATIC_TOKEN".equals(values.get(BEARER_SOURCE))) {
        throw new ConfigException(BEARER_SOURCE, values.get(BEARER_SOURCE), "use STATIC_TOKEN");
      }
      return "Bearer " + token;
    }
    String source = (String) values.get(BASIC_SOURCE);
    String configured = ((Password) values.get(BASIC_USER_INFO)).value();
    String userInfo =
        switch (source) {
          // A user info without its source is a plain oversight: it is meant.
          case "URL" -> uri.getUserInfo() != null ? uri.getUserInfo() : configured;
          case "USER_INFO" -> configured;
          default -> throw new ConfigException(BASIC_SOURCE, source, "use URL or USER_INFO");
        };
    return userInfo.isEmpty()
        ? ""
        : "Basic " + Base64.getEncoder().encodeToString(userInfo.getBytes(StandardCharsets.UTF_8));
  }

  private static Map<String, Object> tls(Map<String, ?> properties) {
    Map<String, Object> tls = new HashMap<>();
    properties.forEach(
        (name, value) -> {
          if (name.startsWith(TLS_PREFIX) && value != null) {
            tls.put(name.substring(PREFIX.length()), value);
          }
        });
    Object hostnameCheck = tls.remove(HOSTNAME_CHECK);
    if (hostnameCheck != null && !"https".equalsIgnoreCase(hostnameCheck.toString())) {
      throw new ConfigException(
          PREFIX + HOSTNAME_CHECK, hostnameCheck, "host names are always verified");
    }
    return tls.isEmpty() ? Map.of() : TLS_DEFINITION.parse(tls);
  }
}
