#!/usr/bin/env python3
"""Asks Lethe to forget a data subject.

    pip install confluent-kafka avro     (Debian: python3-confluent-kafka python3-avro)
    request_deletion.py --pseudonym-key KEY alice@example.org

The identity stays here: the topic gets its pseudonym, made with the same key as the lineage's
(64 hex digits; see io.lethe.privacy.PseudonymKey). Prints the request's id, which names its receipt.

To be able to send a request again, choose its id and its time before the first try and give both with each:
a request of the same id and content is taken once, but one of another time is another request, and is denied.
"""
import argparse
import base64
import datetime
import hashlib
import hmac
import io
import json
import os
import sys
import urllib.error
import urllib.request
import uuid

import avro.io
import avro.schema

RELEASED = os.path.join(
    os.path.dirname(os.path.abspath(__file__)),
    "../../schemas/src/main/resources/schemas/released/io.lethe.events.DeletionRequest/1.avsc",
)
MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"


def pseudonym(key_file, identity):
    """HMAC-SHA-256 of the identity's UTF-8 bytes, base64url without padding."""
    with open(key_file, encoding="ascii") as file:
        key = bytes.fromhex(file.read().strip())
    if len(key) != 32:
        sys.exit(f"{key_file}: not a pseudonym key of 64 hex digits")
    digest = hmac.new(key, identity.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def schema(registry, subject):
    """The subject's latest schema and its id; registers the released one where there is none."""
    url = f"{registry.rstrip('/')}/subjects/{subject}/versions"
    try:
        with urllib.request.urlopen(f"{url}/latest", timeout=30) as answer:
            latest = json.load(answer)
            return latest["id"], avro.schema.parse(latest["schema"])
    except urllib.error.HTTPError as e:
        if e.code != 404:
            raise
    with open(RELEASED, encoding="utf-8") as file:
        text = file.read()
    body = json.dumps({"schema": text}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": MEDIA_TYPE})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)["id"], avro.schema.parse(text)


def filled(record_schema, values):
    """A record with the schema's defaults for what is not given: the schema may know more fields."""
    return {f.name: values[f.name] if f.name in values else f.default for f in record_schema.fields}


def encode(schema_id, record_schema, record):
    """The Confluent wire format: a zero byte, the schema's id, Avro binary."""
    out = io.BytesIO()
    out.write(b"\0" + schema_id.to_bytes(4, "big"))
    avro.io.DatumWriter(record_schema).write(record, avro.io.BinaryEncoder(out))
    return out.getvalue()


def headers(request_id, received_at):
    """CloudEvents 1.0, binary mode. Headers are logged: no subject in them, not even a pseudonym."""
    return [
        ("content-type", b"application/avro"),
        ("ce_specversion", b"1.0"),
        ("ce_id", str(request_id).encode()),
        ("ce_source", b"/privacy-desk"),
        ("ce_type", b"io.lethe.events.DeletionRequest"),
        ("ce_subject", str(request_id).encode()),
        ("ce_time", received_at.isoformat().encode()),
    ]


def instant(text):
    """A time with its offset from UTC: without one it means something else on the next machine."""
    time = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    if time.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text}: without an offset from UTC, as in 2026-01-31T12:00:00Z")
    return time


def main():
    from confluent_kafka import Producer

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("identity", help="as the lineage's pseudonyms were made from")
    parser.add_argument("--pseudonym-key", required=True, help="file of 64 hex digits")
    parser.add_argument("--model", action="append", default=[], help="default: all that hold the subject")
    parser.add_argument("--regulation", default="GDPR", choices=["GDPR", "CCPA", "OTHER"])
    parser.add_argument(
        "--request-id", type=uuid.UUID, help="to send one again; with --received-at, both as the first time"
    )
    parser.add_argument(
        "--received-at",
        type=instant,
        metavar="TIME",
        help="when the person asked, ISO 8601 with an offset from UTC; required with --request-id, and the same"
        " each time it is sent: else it is denied as request_id_taken. Default: now",
    )
    parser.add_argument("--bootstrap-server", default="127.0.0.1:9092")
    parser.add_argument("--schema-registry", default="http://127.0.0.1:8081")
    parser.add_argument("--prefix", default="lethe.")
    options = parser.parse_args()
    if (options.request_id is None) != (options.received_at is None):
        parser.error("--request-id and --received-at go together: a request that is sent again is the same in both")
    request_id = options.request_id or uuid.uuid4()
    received_at = options.received_at or datetime.datetime.now(datetime.timezone.utc)

    topic = options.prefix + "deletion-requests"
    subject_id = pseudonym(options.pseudonym_key, options.identity)
    schema_id, request = schema(options.schema_registry, topic + "-value")
    value = encode(
        schema_id,
        request,
        filled(
            request,
            {
                "requestId": str(request_id),
                "selector": filled(
                    request.fields_dict["selector"].type, {"kind": "SUBJECT", "subjectId": subject_id}
                ),
                "models": options.model,
                "regulation": options.regulation,
                "receivedAt": received_at,
            },
        ),
    )
    failures = []
    producer = Producer(
        {
            "bootstrap.servers": options.bootstrap_server,
            "enable.idempotence": True,
            # librdkafka's default is CRC32: a request would miss its subject's lineage.
            "partitioner": "murmur2_random",
        }
    )
    producer.produce(
        topic,
        key=subject_id.encode(),
        value=value,
        headers=headers(request_id, received_at),
        on_delivery=lambda error, _: failures.append(error) if error else None,
    )
    if producer.flush(30) or failures:
        again = f"--request-id {request_id} --received-at {received_at.isoformat()}"
        sys.exit(f"not sent: {failures or 'no answer from ' + options.bootstrap_server}; again with {again}")
    print(request_id)


if __name__ == "__main__":
    main()
