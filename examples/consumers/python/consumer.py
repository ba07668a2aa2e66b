#!/usr/bin/env python3
"""Keeps a copy of a source's tables from its events in Kafka or NATS JetStream.

    python consumer.py --source shop --kafka 127.0.0.1:9092
    python consumer.py --source shop --nats nats://127.0.0.1:4222 --until-end --replica rows.json

It starts from the beginning each time, because its copy is in memory. A consumer that keeps its rows in a database
keeps the numbers and its place in the topic there too, in one transaction with the rows.
"""

import argparse
import asyncio
import json
import sys

import nats
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from nats.js.api import AckPolicy, ConsumerConfig
from nats.js.errors import NoKeysError

from cdc.v1.event_pb2 import ChangeEvent
from replica import Replica


def main():
    arguments = parse_arguments()
    replica = Replica(say=lambda text: print(text, file=sys.stderr, flush=True))
    try:
        if arguments.kafka:
            read_kafka(arguments.kafka, arguments.source, replica, arguments.until_end)
        else:
            asyncio.run(read_nats(arguments.nats, arguments.source, replica, arguments.until_end))
        replica.finish()
    except KeyboardInterrupt:
        pass
    for (schema, table), rows in replica.rows():
        print(f"{schema}.{table}: {len(rows)} rows")
    if arguments.replica:
        write(replica, arguments.replica)
    sys.exit(3 if replica.holes else 0)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", required=True, help="pipeline.name of the configuration")
    broker = parser.add_mutually_exclusive_group(required=True)
    broker.add_argument("--kafka", metavar="BROKERS")
    broker.add_argument("--nats", metavar="URL")
    parser.add_argument("--until-end", action="store_true", help="stop at what is the end now")
    parser.add_argument("--replica", metavar="FILE", help="write all rows there in the end, as JSON")
    return parser.parse_args()


def read_kafka(brokers, source, replica, until_end):
    """Reads the tables' topics, `{source}.{schema}.{table}` unless configured otherwise."""
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "unused", "enable.auto.commit": False})
    topics = {name: topic for name, topic in consumer.list_topics().topics.items() if name.startswith(f"{source}.")}
    schemas = f"{source}.schemas"
    # Schemas come before their rows too; this is for who starts to read in the middle.
    for message, _ in messages(consumer, [TopicPartition(schemas, 0, OFFSET_BEGINNING)], until_end=True):
        replica.learn(ChangeEvent.FromString(message.value()))
    tables = [TopicPartition(name, partition, OFFSET_BEGINNING)
              for name, topic in topics.items() if name != schemas for partition in topic.partitions]
    for message, topic in messages(consumer, tables, until_end):
        event = ChangeEvent.FromString(message.value())
        replica.apply(event, message.partition(), len(topics[topic].partitions))
    consumer.close()


def messages(consumer, partitions, until_end):
    """Yields messages and their topics; with `until_end`, those that are there already."""
    consumer.assign(partitions)
    left = {}
    for partition in partitions if until_end else []:
        low, high = consumer.get_watermark_offsets(partition)
        if low < high:
            left[partition.topic, partition.partition] = high
    while left or not until_end:
        message = consumer.poll(1)
        if message is None:
            continue
        if message.error():
            raise RuntimeError(message.error())
        yield message, message.topic()
        place = (message.topic(), message.partition())
        if until_end and message.offset() + 1 >= left.get(place, 0):
            left.pop(place, None)


async def read_nats(url, source, replica, until_end):
    """Reads the stream `CDC_{source}`, which has one order for all tables."""
    connection = await nats.connect(url)
    stream = connection.jetstream()
    schemas = await stream.key_value(f"cdc_schemas_{source}")
    try:
        for fingerprint in await schemas.keys():
            replica.learn(ChangeEvent.FromString((await schemas.get(fingerprint)).value))
    except NoKeysError:
        pass
    name = f"CDC_{source}"
    events = await stream.pull_subscribe(">", stream=name, config=ConsumerConfig(ack_policy=AckPolicy.NONE))
    left = (await events.consumer_info()).num_pending
    while left or not until_end:
        try:
            batch = await events.fetch(500, timeout=1)
        except nats.errors.TimeoutError:
            continue
        for message in batch:
            replica.apply(ChangeEvent.FromString(message.data))
            left = message.metadata.num_pending
    await connection.close()


def write(replica, path):
    tables = [{"schema": schema, "table": table,
               "rows": [{column: plain(value) for column, value in row.items()} for row in rows]}
              for (schema, table), rows in replica.rows()]
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"tables": tables, "holes": replica.holes}, file)


def plain(value):
    """What JSON has no way to write becomes text."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, bytes):
        return value.hex()
    return repr(value) if isinstance(value, float) else value


if __name__ == "__main__":
    main()
