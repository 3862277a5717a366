package io.lethe.unlearning;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Puts probes into a module's TorchScript source.
 *
 * <p>Each method and function takes a list besides, and hands it on; each call of an operator that
 * has a {@link LayerForm} goes to a function of {@code lethe_probes.py} instead, which asks for a
 * gradient at the operator's output, and appends that and what it was called with to the list. The
 * root class gets a method {@value #METHOD} that returns its output and the list.
 *
 * <p>The source is what the PyTorch of this program prints for a module in memory, so one form of
 * it is to be understood, whatever wrote the file. A source that is not understood does not
 * compile, or shows no layer for some weight, or gives sums that disagree with a loop over single
 * samples: the caller notices each.
 */
final class ProbedSource {
  /** Of the root class: (Tensor) → (Tensor[]), first the output. */
  static final String METHOD = "lethe_probed";

  private static final String LIST = "probes_";
  private static final String MODULE = "__torch__.lethe_probes";
  private static final Pattern FUNCTION = Pattern.compile("def (\\w+)\\((\\))?");
  private static final Pattern METHOD_HEAD =
      Pattern.compile("  def (?!__)(\\w+)\\((\\w+): ([^,)]+)");
  private static final Pattern ANY_METHOD = Pattern.compile("  def \\w+\\(");
  private static final Pattern METHOD_CALL = Pattern.compile("\\)\\.(?!__)(\\w+)\\(");
  private static final Pattern FUNCTION_CALL = Pattern.compile("(__torch__(?:\\.\\w+)+)\\(");
  private static final Pattern ALIAS = Pattern.compile("\\s+(\\w+) = (__torch__(?:\\.\\w+)+)");
  private static final Pattern LOCAL_CALL = Pattern.compile("(?<![\\w.])(\\w+)\\(");
  private static final Pattern OPERATOR =
      Pattern.compile(
          "(?<![\\w.])torch\\."
              + "(linear|conv1d|conv2d|_convolution|batch_norm|layer_norm|embedding)\\(");

  private static final Pattern IN_PLACE = Pattern.compile("\\btorch\\.(?!__)\\w+_\\(");

  private final Set<String> functions = new HashSet<>();

  private ProbedSource(Map<String, String> sources) {
    sources.forEach(
        (path, text) ->
            text.lines()
                .map(FUNCTION::matcher)
                .filter(Matcher::lookingAt)
                .forEach(head -> functions.add(qualified(path, head.group(1)))));
  }

  private static String qualified(String path, String name) {
    return path.substring("code/".length(), path.length() - ".py".length()).replace('/', '.')
        + "."
        + name;
  }

  /**
   * @param sources by path in the archive
   * @param rootClass qualified name of the root module's class
   * @return all sources with probes, those that are new among them
   */
  static Map<String, String> of(Map<String, String> sources, String rootClass) {
    ProbedSource source = new ProbedSource(sources);
    Map<String, String> probed = new TreeMap<>();
    sources.forEach((path, text) -> probed.put(path, source.rewrite(path, text, rootClass)));
    boolean changesInPlace =
        sources.values().stream().anyMatch(text -> IN_PLACE.matcher(text).find());
    probed.put("code/" + MODULE.replace('.', '/') + ".py", library(changesInPlace));
    return probed;
  }

  /** Code that changes arrays in place gets a copy of each output, so that what is kept stays. */
  private static String library(boolean copies) {
    try (InputStream in = ProbedSource.class.getResourceAsStream("lethe_probes.py")) {
      String text = new String(in.readAllBytes(), StandardCharsets.UTF_8);
      return copies ? text.replace("return probe\n", "return torch.clone(probe)\n") : text;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private String rewrite(String path, String text, String rootClass) {
    StringBuilder result = new StringBuilder();
    Map<String, String> aliases = new HashMap<>();
    boolean inside = false; // a body that has the list
    String currentClass = "";
    for (String line : text.lines().toList()) {
      if (line.startsWith("class ") || line.startsWith("def ")) {
        result.append(rootMethod(path, currentClass, rootClass));
        currentClass = line.startsWith("class ") ? line.substring(6).split("[(:]")[0] : "";
      }
      if (line.startsWith("def ") || ANY_METHOD.matcher(line).lookingAt()) {
        aliases.clear();
        String head = head(line);
        inside = !head.equals(line);
        result.append(head).append('\n');
      } else {
        result.append(inside ? body(line, aliases) : line).append('\n');
      }
    }
    return result.append(rootMethod(path, currentClass, rootClass)).toString();
  }

  private static String head(String line) {
    Matcher function = FUNCTION.matcher(line);
    if (function.lookingAt()) {
      String rest = line.substring(function.end());
      String close = function.group(2) == null ? ",\n    " : ")";
      return "def %s(%s: List[Tensor]%s%s".formatted(function.group(1), LIST, close, rest);
    }
    Matcher method = METHOD_HEAD.matcher(line);
    return method.lookingAt()
        ? method.group() + ",\n    " + LIST + ": List[Tensor]" + line.substring(method.end())
        : line;
  }

  private String body(String line, Map<String, String> aliases) {
    Matcher alias = ALIAS.matcher(line);
    if (alias.matches()) {
      aliases.put(alias.group(1), alias.group(2));
      return line;
    }
    String handed = METHOD_CALL.matcher(line).replaceAll(").$1(" + LIST + ", ");
    handed = replace(FUNCTION_CALL, handed, functions::contains);
    handed =
        replace(
            LOCAL_CALL,
            handed,
            name -> aliases.containsKey(name) && functions.contains(aliases.get(name)));
    return OPERATOR.matcher(handed).replaceAll(MODULE + ".$1(" + LIST + ", ");
  }

  private static String replace(
      Pattern call, String line, java.util.function.Predicate<String> takesList) {
    return call.matcher(line)
        .replaceAll(
            (MatchResult match) ->
                Matcher.quoteReplacement(
                    takesList.test(match.group(1)) ? match.group() + LIST + ", " : match.group()));
  }

  private static String rootMethod(String path, String name, String rootClass) {
    if (name.isEmpty() || !qualified(path, name).equals(rootClass)) {
      return "";
    }
    return """
      def %s(self: %s,
        x: Tensor) -> List[Tensor]:
        %s = annotate(List[Tensor], [])
        _0 = (self).forward(%s, x, )
        return torch.add([_0], %s)
    """
        .formatted(METHOD, rootClass, LIST, LIST, LIST);
  }
}
