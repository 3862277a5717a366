import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.DigestInputStream;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.MessageDigest;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.X509EncodedKeySpec;
import java.time.Duration;
import java.util.Base64;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.apache.avro.generic.GenericRecord;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;

/**
 * A serving system's side of Lethe: follows model-versions, checks each version's attestation and
 * digest, and swaps the model file in one step. Needs kafka-clients and Confluent's Avro
 * deserializer, no class of Lethe's.
 *
 * <pre>java -cp 'lib/*' ServeModelVersions.java BOOTSTRAP REGISTRY_URL SIGNER.pub.pem DIRECTORY</pre>
 *
 * <p>It reads from the start without a group: the topic is compacted, so that the start is the
 * present version of every model.
 */
public final class ServeModelVersions {
  private static final String TOPIC =
      System.getenv().getOrDefault("LETHE_PREFIX", "lethe.") + "model-versions";
  private static final String STATEMENT = "https://lethe.io/attestation/model-version/v1";
  private static final ObjectMapper JSON = new ObjectMapper();

  private final PublicKey signer;
  private final Path directory;
  private final Map<String, Long> serving = new HashMap<>();

  /** A version that must not be served. */
  private static final class RefusedException extends Exception {
    private static final long serialVersionUID = 1L;

    RefusedException(String reason) {
      super(reason);
    }
  }

  private ServeModelVersions(PublicKey signer, Path directory) {
    this.signer = signer;
    this.directory = directory;
  }

  public static void main(String[] args) throws Exception {
    if (args.length != 4) {
      System.err.println(
          "usage: ServeModelVersions BOOTSTRAP REGISTRY_URL SIGNER.pub.pem DIRECTORY");
      System.exit(2);
    }
    Map<String, Object> settings = new HashMap<>();
    settings.put("bootstrap.servers", args[0]);
    settings.put("schema.registry.url", args[1]);
    settings.put("isolation.level", "read_committed"); // Lethe writes in transactions
    settings.put("enable.auto.commit", false);
    settings.put(
        "key.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
    settings.put("value.deserializer", "io.confluent.kafka.serializers.KafkaAvroDeserializer");
    Path directory = Files.createDirectories(Path.of(args[3]));
    ServeModelVersions server = new ServeModelVersions(publicKey(Path.of(args[2])), directory);
    try (KafkaConsumer<String, GenericRecord> consumer = new KafkaConsumer<>(settings)) {
      List<TopicPartition> partitions =
          consumer.partitionsFor(TOPIC).stream()
              .map(partition -> new TopicPartition(TOPIC, partition.partition()))
              .toList();
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      while (true) {
        server.take(consumer);
      }
    }
  }

  private void take(KafkaConsumer<String, GenericRecord> consumer) throws InterruptedException {
    var records = consumer.poll(Duration.ofSeconds(1));
    for (TopicPartition partition : records.partitions()) {
      for (ConsumerRecord<String, GenericRecord> record : records.records(partition)) {
        try {
          if (record.value() != null) {
            offer(record.key(), record.value());
          }
        } catch (RefusedException e) {
          System.err.println("refused " + record.key() + ": " + e.getMessage());
        } catch (IOException e) {
          System.err.println("will try again: " + record.key() + ": " + e);
          consumer.seek(partition, record.offset());
          Thread.sleep(1000);
          break; // the rest of the partition comes again with it
        }
      }
    }
  }

  /** Acts on what was signed, not on what the record says beside it. */
  private void offer(String modelId, GenericRecord record) throws RefusedException, IOException {
    JsonNode version = signed(record.get("attestation").toString());
    if (!version.path("modelId").asText().equals(modelId)) {
      throw new RefusedException("the attestation is on another model");
    }
    long number = version.path("version").asLong();
    if (number <= serving.getOrDefault(modelId, 0L)) {
      return; // never back: an older version knows what a later one has forgotten
    }
    String suffix = version.path("format").asText().equals("TORCHSCRIPT") ? ".pt" : ".params";
    // Encoded: a name from outside must not leave the directory.
    String name = URLEncoder.encode(modelId, StandardCharsets.UTF_8) + suffix;
    Path verified =
        fetch(
            URI.create(version.path("artifactUri").asText()),
            version.path("artifactSha256").asText());
    Path model = directory.resolve(name);
    Files.move(
        verified, model, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    serving.put(modelId, number);
    swap(modelId, number, model);
  }

  /** Where a real server loads the file and exchanges its predictor. */
  private static void swap(String modelId, long version, Path model) {
    System.out.println("serving " + modelId + "@" + version + " from " + model);
  }

  /** The predicate of a DSSE envelope over an in-toto statement that the signer signed. */
  private JsonNode signed(String attestation) throws RefusedException {
    try {
      JsonNode envelope = JSON.readTree(attestation);
      byte[] type = envelope.path("payloadType").asText().getBytes(StandardCharsets.UTF_8);
      byte[] payload = Base64.getDecoder().decode(envelope.path("payload").asText());
      ByteArrayOutputStream message = new ByteArrayOutputStream();
      message.writeBytes(ascii("DSSEv1 " + type.length + " "));
      message.writeBytes(type);
      message.writeBytes(ascii(" " + payload.length + " "));
      message.writeBytes(payload);
      for (JsonNode signature : envelope.path("signatures")) {
        Signature verifier = Signature.getInstance("Ed25519");
        verifier.initVerify(signer);
        verifier.update(message.toByteArray());
        if (verifier.verify(Base64.getDecoder().decode(signature.path("sig").asText()))) {
          JsonNode statement = JSON.readTree(payload);
          if (!statement.path("predicateType").asText().equals(STATEMENT)) {
            throw new RefusedException("the attestation is not one on a model version");
          }
          return statement.path("predicate");
        }
      }
    } catch (IOException | IllegalArgumentException | GeneralSecurityException e) {
      throw new RefusedException("the attestation cannot be read: " + e.getMessage());
    }
    throw new RefusedException("not signed by the key that is trusted here");
  }

  private Path fetch(URI uri, String sha256) throws RefusedException, IOException {
    Path draft = Files.createTempFile(directory, ".fetched", "");
    MessageDigest digest = sha256();
    try (InputStream in = new DigestInputStream(uri.toURL().openStream(), digest)) {
      Files.copy(in, draft, StandardCopyOption.REPLACE_EXISTING);
    } catch (IOException e) {
      Files.deleteIfExists(draft);
      throw e;
    }
    if (!HexFormat.of().formatHex(digest.digest()).equals(sha256)) {
      Files.deleteIfExists(draft);
      throw new RefusedException("the artifact's SHA-256 is not the attested one");
    }
    return draft;
  }

  private static PublicKey publicKey(Path pem) throws IOException, GeneralSecurityException {
    String base64 = Files.readString(pem).replaceAll("-----[^-]+-----|\\s", "");
    return KeyFactory.getInstance("Ed25519")
        .generatePublic(new X509EncodedKeySpec(Base64.getDecoder().decode(base64)));
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("every JDK has SHA-256", e);
    }
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }
}
