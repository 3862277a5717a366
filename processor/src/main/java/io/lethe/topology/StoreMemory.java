package io.lethe.topology;

import io.lethe.batching.BatchingStores;
import java.util.Map;
import org.apache.kafka.streams.state.RocksDBConfigSetter;
import org.rocksdb.BlockBasedTableConfig;
import org.rocksdb.Cache;
import org.rocksdb.CompressionType;
import org.rocksdb.DataBlockIndexType;
import org.rocksdb.LRUCache;
import org.rocksdb.Options;
import org.rocksdb.RocksDB;
import org.rocksdb.WriteBufferManager;

/**
 * One bound on the memory of all stores of the process, and large values apart from the keys.
 *
 * <p>RATIONALE: Kafka Streams gives each store of each partition a cache of 50 MiB and three write
 * buffers of 16 MiB; with some twenty stores that is more than a GiB per partition before a single
 * large model. Here they share one cache, which also counts the write buffers.
 *
 * <p>RocksDB enforces such a bound by writing out the store that happens to be written to, however
 * little it holds, while stores that rest keep theirs full: at the bound one store made hundreds of
 * tiny files and waited for each. So each store's write buffer is small enough that all of them
 * together stay below it, and the bound is there for the case that they do not.
 *
 * <p>Fisher sums are values of half a MiB of noise. They lie in blob files beside the tree, which
 * then holds keys only: compaction does not copy them, and compression is not tried on them.
 */
public final class StoreMemory implements RocksDBConfigSetter {
  /** Name of the setting: bytes of all stores together. The first store that opens decides. */
  static final String BYTES = "lethe.store.memory.bytes";

  /** Name of the setting: partitions, each of which has stores of its own. */
  static final String PARTITIONS = "lethe.store.partitions";

  private static final int MIB = 1 << 20;
  private static final long FISHER_WRITE_BUFFER_BYTES = 16L * MIB;
  private static final long LEAST_WRITE_BUFFER_BYTES = MIB;
  private static final long MOST_WRITE_BUFFER_BYTES = 16L * MIB;

  /** Stores of a partition that grow with the requests; the others hold next to nothing. */
  private static final int BUSY_STORES = 12;

  /**
   * What a write buffer takes at once, and what counts of it: with RocksDB's MiB the bound was
   * reached by a hundred stores that held next to nothing.
   */
  private static final long ARENA_BLOCK_BYTES = 64L << 10;

  /** Share of a write buffer that tells keys that are not in it: many a look finds nothing. */
  private static final double MEMTABLE_BLOOM = 0.005;

  private static final long BLOB_BYTES = 16L << 10;
  private static final long BLOB_FILE_BYTES = 128L * MIB;

  /** Caches and their accounting outlive every store: RocksDB holds on to them from native code. */
  private record Shared(Cache cache, WriteBufferManager writes) {}

  private static Shared shared;

  private static synchronized Shared shared(long bytes) {
    if (shared == null) {
      RocksDB.loadLibrary();
      Cache cache = new LRUCache(bytes);
      shared = new Shared(cache, new WriteBufferManager(bytes / 4 * 3, cache));
    }
    return shared;
  }

  @Override
  public void setConfig(String storeName, Options options, Map<String, Object> configs) {
    long bytes = Long.parseLong(configs.get(BYTES).toString());
    Shared memory = shared(bytes);
    BlockBasedTableConfig table = (BlockBasedTableConfig) options.tableFormatConfig();
    table.setBlockCache(memory.cache());
    table.setCacheIndexAndFilterBlocks(true);
    table.setPinL0FilterAndIndexBlocksInCache(true);
    table.setDataBlockIndexType(DataBlockIndexType.kDataBlockBinaryAndHash);
    options.setTableFormatConfig(table);
    // Kafka Streams leaves out the filters of the last level, for stores that are asked for what
    // they have. Ours are mostly asked whether a request is new.
    options.setOptimizeFiltersForHits(false);
    options.setWriteBufferManager(memory.writes());
    options.setArenaBlockSize(ARENA_BLOCK_BYTES);
    options.setMemtableWholeKeyFiltering(true);
    options.setMemtablePrefixBloomSizeRatio(MEMTABLE_BLOOM);
    options.setAllowConcurrentMemtableWrite(false); // one thread writes
    options.setWriteBufferSize(
        writeBufferBytes(bytes, Integer.parseInt(configs.get(PARTITIONS).toString())));
    if (storeName.equals(BatchingStores.FISHER_STORE)) {
      options.setWriteBufferSize(FISHER_WRITE_BUFFER_BYTES);
      options.setEnableBlobFiles(true);
      options.setMinBlobSize(BLOB_BYTES);
      options.setBlobFileSize(BLOB_FILE_BYTES);
      options.setBlobCompressionType(CompressionType.NO_COMPRESSION);
      options.setEnableBlobGarbageCollection(true);
    }
  }

  /** What one store writes out at once, so that those of all partitions take half of the memory. */
  static long writeBufferBytes(long bytes, int partitions) {
    long share = bytes / 2 / ((long) partitions * BUSY_STORES);
    return Math.max(LEAST_WRITE_BUFFER_BYTES, Math.min(share, MOST_WRITE_BUFFER_BYTES));
  }

  @Override
  public void close(String storeName, Options options) {}
}
