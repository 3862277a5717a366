package io.lethe.artifact;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FileArtifactStoreTest {
  private static final String ABC_SHA256 =
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

  @TempDir private Path directory;
  private Path root;
  private Path model;
  private ArtifactStore store;

  @BeforeEach
  void openStore() throws IOException {
    root = directory.resolve("artifact store");
    model = Files.writeString(directory.resolve("model.params"), "abc");
    store = ArtifactStores.open(root.toUri());
  }

  @Test
  void putLaysTheContentUnderItsDigest() {
    // When
    Artifact artifact = store.put(model);

    // Then
    assertThat(artifact.sha256()).isEqualTo(ABC_SHA256);
    assertThat(artifact.bytes()).isEqualTo(3);
    assertThat(Path.of(artifact.uri()))
        .isEqualTo(root.resolve("sha256/ba/" + ABC_SHA256 + ".params"))
        .hasContent("abc");
    assertThat(root.resolve("tmp")).isEmptyDirectory();
  }

  @Test
  void concurrentPutsOfOneContentGiveOneArtifact() throws InterruptedException, ExecutionException {
    // Given
    ExecutorService executor = Executors.newFixedThreadPool(8);
    try {
      // When
      List<Future<Artifact>> puts =
          IntStream.range(0, 64).mapToObj(i -> executor.submit(() -> store.put(model))).toList();

      // Then
      Artifact expected = store.put(model);
      for (Future<Artifact> put : puts) {
        assertThat(put.get()).isEqualTo(expected);
      }
    } finally {
      executor.shutdownNow();
    }
  }

  @Test
  void putRepairsACorruptArtifact() throws IOException {
    // Given
    Artifact artifact = store.put(model);
    Files.writeString(Path.of(artifact.uri()), "abd");

    // When
    store.put(model);

    // Then
    assertThat(store.fetch(artifact.uri(), artifact.sha256())).hasContent("abc");
  }

  @Test
  void fetchAlsoReadsFilesThatLieElsewhere() {
    assertThat(store.fetch(model.toUri(), ABC_SHA256)).hasContent("abc");
    assertThat(store.fetch(URI.create("file:" + model), ABC_SHA256)).hasContent("abc");
  }

  @Test
  void corruptArtifactIsRefusedWithBothDigests() throws IOException {
    // Given
    Artifact artifact = store.put(model);
    Files.writeString(Path.of(artifact.uri()), "abd");

    // When / Then
    assertThatThrownBy(() -> store.fetch(artifact.uri(), artifact.sha256()))
        .isInstanceOf(ArtifactException.class)
        .hasMessage(
            "artifact %s is corrupt: expected sha256 %s, found %s",
            artifact.uri(),
            ABC_SHA256,
            "a52d159f262b2c6ddb724a61840befc36eb30c88877a4030b65cbe86298449c9")
        .extracting(e -> ((ArtifactException) e).reason())
        .isEqualTo(ArtifactException.Reason.CORRUPT);
  }

  @Test
  void missingArtifactIsNamed() {
    URI missing = root.resolve("sha256/ba/none.pt").toUri();

    assertThatThrownBy(() -> store.fetch(missing, ABC_SHA256))
        .isInstanceOf(ArtifactException.class)
        .hasMessage("artifact %s is missing; expected sha256 %s", missing, ABC_SHA256);
  }

  @Test
  void unusableLocationsAreOneClearLine() {
    for (URI uri :
        List.of(
            URI.create("s3://bucket/model.pt"),
            URI.create("file://host/model.pt"),
            URI.create("file:///model.pt?x=1"),
            directory.toUri())) {
      assertThatThrownBy(() -> store.fetch(uri, ABC_SHA256))
          .isInstanceOf(ArtifactException.class)
          .hasMessageStartingWith("artifact " + uri)
          .extracting(e -> ((ArtifactException) e).reason())
          .isEqualTo(ArtifactException.Reason.UNUSABLE);
    }
    assertThatThrownBy(() -> store.fetch(model.toUri(), ABC_SHA256.toUpperCase(Locale.ROOT)))
        .hasMessageContaining("is not a SHA-256");
  }

  @Test
  void deleteTakesOnlyTheStoresOwn() {
    // Given
    Artifact artifact = store.put(model);

    // When
    boolean first = store.delete(artifact.uri());
    boolean second = store.delete(artifact.uri());

    // Then
    assertThat(List.of(first, second)).containsExactly(true, false);
    URI escaping = URI.create(root.toUri() + "sha256/../../model.params");
    for (URI foreign : List.of(model.toUri(), escaping)) {
      assertThatThrownBy(() -> store.delete(foreign))
          .hasMessageContaining("is not one of the store");
    }
    assertThat(model).exists();
  }

  @Test
  void whatIsKeptIsDiscardedByTheBeginningOfItsName() {
    // Given
    store.discard("a-"); // nothing was kept yet
    List.of("a-1.npz", "a-2.npz", "b-1.npz").forEach(name -> store.keep(name, model));

    // When
    store.discard("a-");

    // Then
    assertThat(store.kept("a-1.npz")).isEmpty();
    assertThat(store.kept("a-2.npz")).isEmpty();
    assertThat(store.kept("b-1.npz")).isPresent();
    assertThatThrownBy(() -> store.discard("../sha256")).isInstanceOf(ArtifactException.class);
  }

  @Test
  void putOfAMissingFileLeavesNothingBehind() throws IOException {
    // Given
    Path missing = directory.resolve("none.pt");

    // When / Then
    assertThatThrownBy(() -> store.put(missing))
        .isInstanceOf(ArtifactException.class)
        .hasMessageContaining("cannot store " + missing);
    try (Stream<Path> left = Files.walk(root)) {
      assertThat(left.filter(Files::isRegularFile)).isEmpty();
    }
  }

  @Test
  void unknownSchemeIsNamed() {
    assertThatThrownBy(() -> ArtifactStores.open(URI.create("gs://bucket")))
        .isInstanceOf(ArtifactException.class)
        .hasMessage("artifact store gs://bucket: unknown scheme 'gs', known is file:");
  }

  @Test
  void rootThatIsAFileIsNamed() {
    assertThatThrownBy(() -> ArtifactStores.open(model.toUri()))
        .isInstanceOf(ArtifactException.class)
        .hasMessageContaining("artifact store " + model + " cannot be made");
  }

  @Test
  void locationsAreUrisOrPaths() {
    assertThat(ArtifactStores.location("file:/a/b.pt")).isEqualTo(URI.create("file:/a/b.pt"));
    assertThat(ArtifactStores.location("a b.pt"))
        .isEqualTo(Path.of("a b.pt").toAbsolutePath().toUri());
    assertThatThrownBy(() -> ArtifactStores.location("file:/a b"))
        .hasMessage("'file:/a b' is neither a URI nor a path");
  }
}
