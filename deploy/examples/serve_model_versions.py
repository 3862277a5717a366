#!/usr/bin/env python3
"""A serving system's side of Lethe: follows model-versions, checks each version's attestation and
digest, and swaps the model file in one step.

    pip install confluent-kafka avro cryptography     (Debian: python3-confluent-kafka python3-avro python3-cryptography)
    serve_model_versions.py --key SIGNER.pub.pem --models DIRECTORY
"""
import argparse
import base64
import hashlib
import io
import json
import os
import sys
import tempfile
import time
import urllib.parse
import urllib.request

import avro.io
import avro.schema
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import load_pem_public_key

STATEMENT = "https://lethe.io/attestation/model-version/v1"
BLOCK = 1 << 20


class Refused(Exception):
    """A version that must not be served."""


class Registry:
    """Schemas by id; an id never changes its meaning."""

    def __init__(self, url):
        self.url = url.rstrip("/")
        self.schemas = {}

    def decode(self, data):
        """A record in the Confluent wire format: a zero byte, the schema's id, Avro binary."""
        if len(data) < 5 or data[0] != 0:
            raise Refused("not in the Confluent wire format")
        schema_id = int.from_bytes(data[1:5], "big")
        if schema_id not in self.schemas:
            with urllib.request.urlopen(f"{self.url}/schemas/ids/{schema_id}", timeout=30) as answer:
                self.schemas[schema_id] = avro.schema.parse(json.load(answer)["schema"])
        reader = avro.io.DatumReader(self.schemas[schema_id])
        return reader.read(avro.io.BinaryDecoder(io.BytesIO(data[5:])))


def signed(attestation, key):
    """The predicate of a DSSE envelope over an in-toto statement that the key's owner signed."""
    try:
        envelope = json.loads(attestation)
        kind = envelope["payloadType"].encode()
        payload = base64.b64decode(envelope["payload"])
        signatures = [base64.b64decode(each["sig"]) for each in envelope["signatures"]]
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        raise Refused(f"the attestation cannot be read: {e}") from e
    message = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    for signature in signatures:
        try:
            key.verify(signature, message)
        except InvalidSignature:
            continue
        statement = json.loads(payload)
        if statement.get("predicateType") != STATEMENT:
            raise Refused("the attestation is not one on a model version")
        return statement["predicate"]
    raise Refused("not signed by the key that is trusted here")


def fetch(uri, sha256, directory):
    """The artifact as a new file in the directory, with the attested digest."""
    digest = hashlib.sha256()
    handle, draft = tempfile.mkstemp(prefix=".fetched", dir=directory)
    try:
        with os.fdopen(handle, "wb") as out, urllib.request.urlopen(uri, timeout=60) as source:
            while block := source.read(BLOCK):
                digest.update(block)
                out.write(block)
        if digest.hexdigest() != sha256:
            raise Refused("the artifact's SHA-256 is not the attested one")
        return draft
    except BaseException:
        os.unlink(draft)
        raise


def swap(model_id, version, file):
    """Where a real server loads the file (torch.jit.load) and exchanges its model."""
    print(f"serving {model_id}@{version} from {file}", flush=True)


class Server:
    def __init__(self, key, directory):
        self.key = key
        self.directory = directory
        self.serving = {}

    def offer(self, model_id, record):
        """Acts on what was signed, not on what the record says beside it."""
        version = signed(record["attestation"], self.key)
        if version["modelId"] != model_id:
            raise Refused("the attestation is on another model")
        if version["version"] <= self.serving.get(model_id, 0):
            return  # never back: an older version knows what a later one has forgotten
        draft = fetch(version["artifactUri"], version["artifactSha256"], self.directory)
        suffix = ".pt" if version["format"] == "TORCHSCRIPT" else ".params"
        # Quoted: a name from outside must not leave the directory.
        model = os.path.join(self.directory, urllib.parse.quote(model_id, safe="") + suffix)
        os.replace(draft, model)
        self.serving[model_id] = version["version"]
        swap(model_id, version["version"], model)


def main():
    from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bootstrap-server", default="127.0.0.1:9092")
    parser.add_argument("--schema-registry", default="http://127.0.0.1:8081")
    parser.add_argument("--prefix", default="lethe.")
    parser.add_argument("--key", required=True, help="the signer's public key, PEM")
    parser.add_argument("--models", required=True, help="directory of the files that are served")
    options = parser.parse_args()

    os.makedirs(options.models, exist_ok=True)
    with open(options.key, "rb") as pem:
        server = Server(load_pem_public_key(pem.read()), options.models)
    registry = Registry(options.schema_registry)
    topic = options.prefix + "model-versions"
    consumer = Consumer(
        {
            "bootstrap.servers": options.bootstrap_server,
            "group.id": "unused",  # no group: every server follows all models, from the start
            "enable.auto.commit": False,
            "isolation.level": "read_committed",  # Lethe writes in transactions
        }
    )
    partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
    while True:
        message = consumer.poll(1.0)
        if message is None:
            continue
        if message.error():
            print(message.error(), file=sys.stderr)
            continue
        if message.value() is None:
            continue
        model_id = message.key().decode()
        try:
            server.offer(model_id, registry.decode(message.value()))
        except Refused as e:
            print(f"refused {model_id}: {e}", file=sys.stderr)
        except OSError as e:
            print(f"will try again: {model_id}: {e}", file=sys.stderr)
            consumer.seek(TopicPartition(topic, message.partition(), message.offset()))
            time.sleep(1)


if __name__ == "__main__":
    main()
