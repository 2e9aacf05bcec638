"""Writes a view, a like and a share of one user and one post, in the schema that the registry has for `events`.

The key of a record is the user's id as text, 36 characters in lower case, and its partition murmur2 of the key, as
Java's client has it. librdkafka has CRC32 unless it is told: say `partitioner`. Two producers that differ in it put one
user's events into two partitions; their order is lost then, and an event that is sent twice may count twice.
"""

import os
import time
import uuid

from confluent_kafka import Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

failed = []


def delivered(error, record):
    if error:
        failed.append(error)
    else:
        print(f"partition {record.partition()}, offset {record.offset()}")


registry = SchemaRegistryClient({"url": os.environ["REGISTRY"]})
settings = {"auto.register.schemas": False, "use.latest.version": True}
to_avro = AvroSerializer(registry, conf=settings)
producer = Producer({
    "bootstrap.servers": os.environ["KAFKA"],
    "partitioner": "murmur2_random",
    "enable.idempotence": True,
    "acks": "all",
    "message.timeout.ms": 30_000,
})
for action in ["view", "like", "share"]:
    event = {
        "event_id": str(uuid.uuid4()),  # sent again under it, it is the same event
        "event_time": time.time_ns() // 1_000_000,
        "user_id": os.environ["USER_ID"].lower(),
        "post_id": os.environ["POST_ID"],
        "action": action,
    }
    value = to_avro(event, SerializationContext("events", MessageField.VALUE))
    producer.produce("events", key=event["user_id"], value=value, on_delivery=delivered)
producer.flush()
if failed:
    raise SystemExit(f"not delivered: {failed}")
