package io.lethe.intake;

import io.lethe.events.DeletionRequest;
import io.lethe.events.Selector;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;

/**
 * What a request asks for, as a SHA-256: a second record with the same id and fingerprint is a
 * duplicate, one with another fingerprint is another request.
 *
 * <p>RATIONALE: taken over the fields and not over the encoded record. A newer version of the
 * schema encodes the same request in other bytes, and a redelivery after an update would look like
 * a conflict.
 */
final class Fingerprint {
  /** Of requests that Lethe makes itself, whose ids nobody chose. */
  static final ByteBuffer NONE = ByteBuffer.allocate(0);

  private final MessageDigest digest;

  private Fingerprint() {
    try {
      digest = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JDK has SHA-256", e);
    }
  }

  static ByteBuffer of(DeletionRequest request) {
    Fingerprint fingerprint = new Fingerprint();
    Selector selector = request.getSelector();
    fingerprint.add(selector.getKind().name());
    fingerprint.add(selector.getSubjectId().orElse(""));
    fingerprint.add(selector.getDatasetId().orElse(""));
    fingerprint.add(selector.getSampleIds());
    fingerprint.add(selector.getClasses());
    fingerprint.add(request.getModels());
    fingerprint.add(request.getRegulation().name());
    fingerprint.add(micros(request.getReceivedAt()));
    fingerprint.add(request.getDueAt().map(Fingerprint::micros).orElse(Long.MIN_VALUE));
    return ByteBuffer.wrap(fingerprint.digest.digest());
  }

  private static long micros(Instant time) {
    return ChronoUnit.MICROS.between(Instant.EPOCH, time);
  }

  private void add(List<String> texts) {
    add(texts.size());
    texts.forEach(this::add);
  }

  private void add(String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    add(bytes.length);
    digest.update(bytes);
  }

  private void add(long number) {
    digest.update(ByteBuffer.allocate(Long.BYTES).putLong(number).array());
  }
}
