package io.lethe.schemas.serde;

import java.io.EOFException;
import java.io.IOException;
import org.apache.avro.AvroRuntimeException;
import org.apache.avro.AvroTypeException;
import org.apache.avro.Schema;
import org.apache.avro.io.DatumReader;
import org.apache.avro.io.DatumWriter;
import org.apache.avro.io.Encoder;
import org.apache.avro.specific.SpecificDatumWriter;
import org.apache.avro.specific.SpecificRecord;
import org.apache.kafka.common.errors.SerializationException;

/**
 * Runs Avro's readers and writers, and turns their many exceptions into one that quotes no value.
 */
final class DatumCodec {
  private DatumCodec() {}

  /** A writer of records with their own schema. */
  static <T extends SpecificRecord> DatumWriter<T> writer(Schema own) {
    return new OwnSchemaWriter<>(own);
  }

  static <T> void write(DatumWriter<? super T> writer, T datum, BytesEncoder out, String what) {
    try {
      writer.write(datum, out);
    } catch (IOException | RuntimeException e) {
      // No cause: Avro quotes the offending value. The path of fields is in the type of failure
      // only.
      throw new SerializationException(what + " cannot be written: " + kind(e));
    }
  }

  /**
   * @param data a header of {@code offset} bytes, then exactly one datum
   */
  static <T> T read(DatumReader<T> reader, byte[] data, int offset, String what) {
    BoundedDecoder decoder = new BoundedDecoder(data, offset);
    T datum;
    try {
      datum = reader.read(null, decoder);
    } catch (IOException | RuntimeException | StackOverflowError e) {
      throw new SerializationException(what + " cannot be read: " + kind(e));
    }
    if (decoder.remaining() > 0) {
      throw new SerializationException(
          what + " cannot be read: " + decoder.remaining() + " bytes are left over");
    }
    return datum;
  }

  /** What went wrong, in words of our own: messages of Avro and its conversions quote values. */
  private static String kind(Throwable failure) {
    if (failure instanceof EOFException) {
      return "it ends too early, or declares a length beyond its end";
    }
    if (failure instanceof AvroTypeException) {
      return "the schemas do not fit together";
    }
    if (failure instanceof StackOverflowError) {
      return "it is nested too deeply";
    }
    if (failure instanceof NullPointerException) {
      return "a field that must not be null is";
    }
    if (failure instanceof AvroRuntimeException || failure instanceof IndexOutOfBoundsException) {
      return "it is malformed";
    }
    return "it is malformed (" + failure.getClass().getSimpleName() + ")";
  }

  /** Lets records that can do so encode themselves. */
  private static final class OwnSchemaWriter<T extends SpecificRecord> implements DatumWriter<T> {
    private final SpecificDatumWriter<T> writer;

    OwnSchemaWriter(Schema own) {
      writer = new SpecificDatumWriter<>(own);
    }

    @Override
    public void setSchema(Schema schema) {
      throw new UnsupportedOperationException();
    }

    @Override
    public void write(T record, Encoder out) throws IOException {
      if (record instanceof SelfEncoding selfEncoding) {
        selfEncoding.encodeTo(out);
      } else {
        writer.write(record, out);
      }
    }
  }
}
