package io.lethe.dataset;

/** Says no in one line before a dataset, or a file that claims to be one, fills the heap. */
final class Heap {
  private Heap() {}

  /**
   * @param bytes what is about to be held
   */
  static void check(Object file, long bytes) {
    long most = Runtime.getRuntime().maxMemory() / 2;
    if (bytes > most) {
      throw new DatasetException(
          "%s: holds %d MiB; half of the heap is %d MiB (start Java with a larger -Xmx)"
              .formatted(file, bytes >> 20, most >> 20));
    }
  }
}
