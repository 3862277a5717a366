package io.lethe.schemas.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Map;
import org.apache.kafka.common.config.ConfigException;
import org.junit.jupiter.api.Test;

class RegistryClientConfigTest {

  @Test
  void readsSeveralUrlsWithTheirOwnCredentials() {
    RegistryClientConfig config =
        RegistryClientConfig.from(
            Map.of(
                "schema.registry.url", "https://a:1@one:8081/api/, http://two",
                "bootstrap.servers", "ignored:9092",
                "max.retries", "5"));

    assertThat(config.endpoints())
        .extracting(endpoint -> endpoint.uri().toString())
        .containsExactly("https://one:8081/api", "http://two");
    assertThat(config.endpoints())
        .extracting(RegistryClientConfig.Endpoint::authorization)
        .containsExactly("Basic YTox", "");
    assertThat(config.retries()).isEqualTo(5);
    assertThat(config.toString()).doesNotContain("YTox").doesNotContain("a:1");
  }

  @Test
  void refusesWhatCannotWorkWithoutQuotingASecret() {
    assertThatThrownBy(() -> RegistryClientConfig.from(Map.of()))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("schema.registry.url");
    assertThatThrownBy(() -> RegistryClientConfig.from(Map.of("schema.registry.url", "u:s3cret@h")))
        .isInstanceOf(ConfigException.class)
        .satisfies(e -> assertThat(e.getMessage()).doesNotContain("s3cret"));
    assertThatThrownBy(
            () -> RegistryClientConfig.from(Map.of("schema.registry.url", "http://u:s3cret@h h/")))
        .isInstanceOf(ConfigException.class)
        .hasNoCause()
        .satisfies(e -> assertThat(e.getMessage()).doesNotContain("s3cret"));
    assertThatThrownBy(
            () ->
                RegistryClientConfig.from(
                    Map.of(
                        "schema.registry.url", "https://h",
                        "schema.registry.ssl.endpoint.identification.algorithm", "")))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("host names are always verified");
    assertThatThrownBy(
            () ->
                RegistryClientConfig.from(
                    Map.of(
                        "schema.registry.url", "https://h",
                        "basic.auth.credentials.source", "SASL_INHERIT")))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("use URL or USER_INFO");
  }
}
