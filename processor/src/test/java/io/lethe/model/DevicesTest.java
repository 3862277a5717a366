package io.lethe.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.Device;
import ai.djl.ndarray.NDManager;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class DevicesTest {
  @AfterEach
  void back() {
    Devices.select("auto");
  }

  @Test
  void theCpuIsAlwaysThere() {
    Devices.select("cpu");

    try (NDManager manager = Devices.newManager()) {
      assertThat(manager.getDevice()).isEqualTo(Device.cpu());
    }
  }

  @Test
  void aGpuThatIsNotThereIsRefused() {
    String beyond = "gpu:9999";

    assertThatThrownBy(() -> Devices.select(beyond))
        .isInstanceOf(ModelException.class)
        .hasMessageContainingAll(beyond, "there is none", "sees");
  }

  @ParameterizedTest
  @ValueSource(strings = {"gpu", "cuda:0", "GPU:0", "gpu:-1", "gpu:x", ""})
  void anotherNameIsRefused(String name) {
    assertThatThrownBy(() -> Devices.select(name))
        .isInstanceOf(ModelException.class)
        .hasMessageContaining("must be auto, cpu, or gpu:N");
  }
}
