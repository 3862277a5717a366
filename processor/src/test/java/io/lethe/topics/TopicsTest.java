package io.lethe.topics;

import static org.assertj.core.api.Assertions.assertThat;

import io.lethe.schemas.client.RegistryClientConfig;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Test;

class TopicsTest {
  private static final String URL = "http://localhost:8081";

  @Test
  void whoAsksAgainByItselfIsToldAfterOneShortTry() {
    // When
    RegistryClientConfig config =
        RegistryClientConfig.from(
            Topics.askingOnce(Map.of(RegistryClientConfig.URL, URL, "max.retries", "7")));

    // Then
    assertThat(config.retries()).isZero();
    assertThat(config.connectTimeout()).isEqualTo(Duration.ofSeconds(5));
    assertThat(config.readTimeout()).isEqualTo(Duration.ofSeconds(5));
  }

  @Test
  void theTimeoutsOfTheUserStay() {
    // When
    RegistryClientConfig config =
        RegistryClientConfig.from(
            Topics.askingOnce(
                Map.of(RegistryClientConfig.URL, URL, "http.read.timeout.ms", "20000")));

    // Then
    assertThat(config.readTimeout()).isEqualTo(Duration.ofSeconds(20));
  }
}
