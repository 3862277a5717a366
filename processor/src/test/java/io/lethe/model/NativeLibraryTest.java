package io.lethe.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NativeLibraryTest {
  @TempDir Path directory;
  private Path folder;
  private Path library;

  @BeforeEach
  void library() throws IOException {
    folder = Files.createDirectory(directory.resolve("lib"));
    library = folder.resolve(System.mapLibraryName("torch_cpu"));
  }

  private void check() {
    NativeLibrary.check(Optional.of(folder.toString()), Optional.empty(), "2.7.1");
  }

  private void assertRefused(String... parts) {
    assertThatThrownBy(this::check)
        .isInstanceOf(ModelException.class)
        .hasMessageContainingAll(parts)
        .satisfies(e -> assertThat(e.getMessage().lines()).hasSize(1));
  }

  @Test
  void theVersionOfADistributionStandsBesideIt() throws IOException {
    Files.writeString(library, "code");

    Files.writeString(directory.resolve("build-version"), "2.7.1+cu128\n");
    assertThatCode(this::check).doesNotThrowAnyException();
    Files.writeString(directory.resolve("build-version"), "2.5.1+cu124\n");
    assertRefused(library.toString(), "2.5.1", "2.7.1");
  }

  @Test
  void theVersionOfPythonsLibraryIsPythons() throws IOException {
    Files.writeString(library, "code");

    Files.writeString(directory.resolve("version.py"), "__version__ = '2.7.1+cpu'\n");
    assertThatCode(this::check).doesNotThrowAnyException();
    Files.writeString(directory.resolve("version.py"), "__version__ = '2.6.0'\n");
    assertRefused("2.6.0", "2.7.1");
  }

  @Test
  void aLibraryByItselfHoldsItsVersion() throws IOException {
    Files.writeString(library, "\0\0" + "2.7.1\0 and more");
    assertThatCode(this::check).doesNotThrowAnyException();

    Files.writeString(library, "\0" + "2.7.10\0 12.7.1\0");
    assertRefused(library.toString(), "another version");
  }

  @Test
  void aFolderWithoutALibrary() {
    assertRefused("PYTORCH_LIBRARY_PATH", folder.toString());
  }

  @Test
  void anotherVersionThatTheEnvironmentAsksFor() {
    assertThatThrownBy(() -> NativeLibrary.check(Optional.empty(), Optional.of("2.5.1"), "2.7.1"))
        .isInstanceOf(ModelException.class)
        .hasMessage("PYTORCH_VERSION is 2.5.1: PyTorch 2.7.1 is needed");
  }

  @Test
  void theProgramsOwnIsOfTheVersionThatIsNeeded() {
    assertThat(NativeLibrary.load().getVersion()).isEqualTo(NativeLibrary.needed());
  }
}
