package io.lethe.unlearning;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.Device;
import ai.djl.engine.EngineException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class MinibatchMemoryTest {
  @Test
  void onACardHalfOfWhatIsFreeBesideTheSums() {
    assertThat(MinibatchMemory.ofFree(8_000_000_000L, 11_000_000)).isEqualTo(3_912_000_000L);
    assertThat(MinibatchMemory.ofFree(1_000_000, 11_000_000)).isEqualTo(1);
    assertThat(MinibatchMemory.of(Device.cpu(), 11_000_000)).isEqualTo(768L << 20);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0; 8.00 GiB total capacity)",
        "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory",
        "DefaultCPUAllocator: not enough memory: you tried to allocate 123 bytes."
      })
  void knowsPyTorchsWordsForNoMemory(String message) {
    assertThat(MinibatchMemory.isExhausted(new EngineException(message))).isTrue();
  }

  @Test
  void takesNoOtherErrorForIt() {
    assertThat(MinibatchMemory.isExhausted(new EngineException("shapes cannot be multiplied")))
        .isFalse();
    assertThat(MinibatchMemory.isExhausted(new EngineException("", null))).isFalse();
  }
}
