package io.lethe.cli;

/** Entry point of the {@code lethe} program. */
public final class Main {
  private Main() {}

  public static void main(String[] args) {
    System.exit(0);
  }
}
