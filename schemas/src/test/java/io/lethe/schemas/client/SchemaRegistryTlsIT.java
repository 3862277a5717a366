package io.lethe.schemas.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsParameters;
import com.sun.net.httpserver.HttpsServer;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.TrustManagerFactory;
import org.apache.avro.Schema;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SchemaRegistryTlsIT {
  private static final String PASSWORD = "changeit";

  @TempDir static Path directory;

  /** One pair for both sides: each then trusts the other. */
  private static Path keys;

  private HttpsServer server;

  @BeforeAll
  static void makeKeys() throws Exception {
    keys = makeKeys("localhost");
  }

  @AfterEach
  void stop() {
    server.stop(0);
  }

  @Test
  void trustsTheGivenTrustStoreAndNothingElse() throws Exception {
    // Given
    String url = start(false);

    // When, Then
    try (SchemaRegistryClient trusting = client(url, trust())) {
      assertThat(trusting.schemaById(1)).isEqualTo(Schema.create(Schema.Type.INT));
    }
    try (SchemaRegistryClient distrusting = client(url, Map.of())) {
      assertThatThrownBy(() -> distrusting.schemaById(1))
          .isInstanceOf(SchemaRegistryUnavailableException.class)
          .hasMessageContaining("PKIX path building failed");
    }
  }

  @Test
  void showsItsCertificateWhereTheRegistryWantsOne() throws Exception {
    // Given
    String url = start(true);
    Map<String, Object> mutual = new HashMap<>(trust());
    mutual.put("schema.registry.ssl.keystore.location", keys.toString());
    mutual.put("schema.registry.ssl.keystore.password", PASSWORD);
    mutual.put("schema.registry.ssl.keystore.type", "PKCS12");
    mutual.put("schema.registry.ssl.key.password", PASSWORD);

    // When, Then
    try (SchemaRegistryClient known = client(url, mutual)) {
      assertThat(known.schemaById(1)).isEqualTo(Schema.create(Schema.Type.INT));
    }
    try (SchemaRegistryClient anonymous = client(url, trust())) {
      assertThatThrownBy(() -> anonymous.schemaById(1))
          .isInstanceOf(SchemaRegistryUnavailableException.class);
    }
  }

  private static Map<String, Object> trust() {
    return Map.of(
        "schema.registry.ssl.truststore.location",
        keys.toString(),
        "schema.registry.ssl.truststore.password",
        PASSWORD,
        "schema.registry.ssl.truststore.type",
        "PKCS12");
  }

  private static SchemaRegistryClient client(String url, Map<String, Object> more) {
    Map<String, Object> properties = new HashMap<>(more);
    properties.put("schema.registry.url", url);
    properties.put("max.retries", 0);
    return SchemaRegistryClients.open(properties);
  }

  private String start(boolean clientCertificate) throws Exception {
    KeyManagerFactory own = KeyManagerFactory.getInstance("PKIX");
    own.init(load(keys), PASSWORD.toCharArray());
    TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
    trust.init(load(keys));
    SSLContext tls = SSLContext.getInstance("TLS");
    tls.init(own.getKeyManagers(), trust.getTrustManagers(), null);
    server = HttpsServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.setHttpsConfigurator(
        new HttpsConfigurator(tls) {
          @Override
          public void configure(HttpsParameters parameters) {
            SSLParameters ssl = tls.getDefaultSSLParameters();
            ssl.setNeedClientAuth(clientCertificate);
            parameters.setSSLParameters(ssl);
          }
        });
    byte[] answer = "{\"schema\":\"\\\"int\\\"\"}".getBytes(StandardCharsets.UTF_8);
    server.createContext(
        "/",
        exchange -> {
          exchange.sendResponseHeaders(200, answer.length);
          exchange.getResponseBody().write(answer);
          exchange.close();
        });
    server.start();
    return "https://localhost:" + server.getAddress().getPort();
  }

  private static KeyStore load(Path file) throws Exception {
    KeyStore store = KeyStore.getInstance("PKCS12");
    try (InputStream in = Files.newInputStream(file)) {
      store.load(in, PASSWORD.toCharArray());
    }
    return store;
  }

  /** A self-signed pair and its certificate, so that one file is key store and trust store. */
  private static Path makeKeys(String host) throws Exception {
    Path file = directory.resolve(host + ".p12");
    Path keytool = Path.of(System.getProperty("java.home"), "bin", "keytool");
    List<String> pair =
        List.of(
            keytool.toString(),
            "-genkeypair",
            "-alias",
            host,
            "-keyalg",
            "EC",
            "-dname",
            "CN=" + host,
            "-ext",
            "san=dns:" + host,
            "-validity",
            "2",
            "-storetype",
            "PKCS12",
            "-keystore",
            file.toString(),
            "-storepass",
            PASSWORD);
    assertThat(run(pair)).isZero();
    // An entry with a private key is no trust anchor: its certificate must stand beside it.
    Path certificate = directory.resolve(host + ".pem");
    assertThat(
            run(
                List.of(
                    keytool.toString(),
                    "-exportcert",
                    "-rfc",
                    "-alias",
                    host,
                    "-file",
                    certificate.toString(),
                    "-keystore",
                    file.toString(),
                    "-storepass",
                    PASSWORD)))
        .isZero();
    assertThat(
            run(
                List.of(
                    keytool.toString(),
                    "-importcert",
                    "-noprompt",
                    "-alias",
                    host + "-trusted",
                    "-file",
                    certificate.toString(),
                    "-keystore",
                    file.toString(),
                    "-storepass",
                    PASSWORD)))
        .isZero();
    return file;
  }

  private static int run(List<String> command) throws Exception {
    return new ProcessBuilder(command)
        .redirectErrorStream(true)
        .redirectOutput(directory.resolve("keytool.log").toFile())
        .start()
        .waitFor();
  }
}
