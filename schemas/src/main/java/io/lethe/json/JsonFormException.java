package io.lethe.json;

/** JSON that does not have the form of the event it should be; the message names the field. */
public final class JsonFormException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /**
   * @param path the field, e.g. {@code models[0].version}; empty for the whole document
   * @param problem what is wrong with it; quotes no value, which may be personal data
   */
  public JsonFormException(String path, String problem) {
    super(path.isEmpty() ? problem : path + ": " + problem);
  }
}
