package io.lethe.dataset;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;

/** Ids of samples and their positions. */
interface SampleIds {
  String id(int index);

  OptionalInt indexOf(String id);

  /** A prefix and the position, with leading zeros to a width: {@code train-00042}. */
  record Numbered(String prefix, int width, int size) implements SampleIds {
    @Override
    public String id(int index) {
      String digits = Integer.toString(index);
      return prefix + "0".repeat(Math.max(0, width - digits.length())) + digits;
    }

    @Override
    public OptionalInt indexOf(String id) {
      if (!id.startsWith(prefix) || id.length() > prefix.length() + 10) {
        return OptionalInt.empty();
      }
      String digits = id.substring(prefix.length());
      if (digits.isEmpty() || !digits.chars().allMatch(c -> c >= '0' && c <= '9')) {
        return OptionalInt.empty();
      }
      long index = Long.parseLong(digits);
      return index < size && id((int) index).equals(id)
          ? OptionalInt.of((int) index)
          : OptionalInt.empty();
    }
  }

  /** Ids that the dataset gives. */
  final class Listed implements SampleIds {
    private final List<String> ids;
    private final Map<String, Integer> positions = new HashMap<>();

    /**
     * @throws DatasetException when two samples have one id; says where, not which
     */
    Listed(Object source, List<String> ids) {
      this.ids = List.copyOf(ids);
      for (int i = 0; i < ids.size(); i++) {
        Integer other = positions.put(ids.get(i), i);
        if (other != null) {
          throw new DatasetException(
              "%s: the samples at positions %d and %d have one id".formatted(source, other, i));
        }
      }
    }

    @Override
    public String id(int index) {
      return ids.get(index);
    }

    @Override
    public OptionalInt indexOf(String id) {
      Integer position = positions.get(id);
      return position == null ? OptionalInt.empty() : OptionalInt.of(position);
    }
  }
}
