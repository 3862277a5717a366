package io.lethe.streams;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.apache.kafka.streams.processor.api.MockProcessorContext;
import org.apache.kafka.streams.processor.api.MockProcessorContext.CapturedPunctuator;
import org.junit.jupiter.api.Test;

class RuleProcessorTest {
  @Test
  void aProcessorThatIsRevivedTicksOnce() {
    // Given
    MockProcessorContext<String, String> context = new MockProcessorContext<>();
    var processor =
        RuleProcessor.<Object, String, String, String>ticking(
                traced -> new Object(), (rules, record) -> {}, Duration.ofSeconds(1), rules -> {})
            .get();

    // When
    processor.init(context);
    processor.close();
    processor.init(context);

    // Then
    assertThat(context.scheduledPunctuators())
        .extracting(CapturedPunctuator::cancelled)
        .containsExactly(true, false);
  }
}
