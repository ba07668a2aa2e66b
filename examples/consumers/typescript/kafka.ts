import { randomUUID } from "node:crypto";
import { fromBinary } from "@bufbuild/protobuf";
import kafkajs, { type EachMessagePayload, type Kafka } from "kafkajs";
import { decompressFrame } from "lz4-napi";
import { ChangeEventSchema } from "./cdc/v1/event_pb.js";
import type { Replica } from "./replica.js";

// What the messages are compressed with; kafkajs itself brings gzip alone.
kafkajs.CompressionCodecs[kafkajs.CompressionTypes.LZ4] = () => ({
  compress: () => Promise.reject(new Error("this only reads")),
  decompress: decompressFrame,
});

/** Reads the tables' topics, `{source}.{schema}.{table}` unless configured otherwise. */
export async function readKafka(brokers: string[], source: string, replica: Replica, untilEnd: boolean): Promise<void> {
  const client = new kafkajs.Kafka({ brokers, logLevel: kafkajs.logLevel.WARN });
  const schemas = `${source}.schemas`;
  const admin = client.admin();
  await admin.connect();
  const names = (await admin.listTopics()).filter((name) => name.startsWith(`${source}.`) && name !== schemas);
  const { topics } = await admin.fetchTopicMetadata({ topics: names });
  await admin.disconnect();
  const partitions = new Map(topics.map(({ name, partitions }) => [name, partitions.length]));
  // Schemas come before their rows too; this is for who starts to read in the middle.
  await read(client, [schemas], true, ({ message }) => {
    if (message.value) replica.learn(fromBinary(ChangeEventSchema, message.value));
  });
  await read(client, names, untilEnd, ({ topic, partition, message }) => {
    if (message.value) replica.apply(fromBinary(ChangeEventSchema, message.value), partition, partitions.get(topic));
  });
}

/** Reads topics from their beginning; with `untilEnd`, what is there already. */
async function read(client: Kafka, topics: string[], untilEnd: boolean, take: (message: EachMessagePayload) => void) {
  const admin = client.admin();
  await admin.connect();
  const ends = new Map<string, bigint>();
  for (const topic of topics) {
    for (const { partition, low, high } of await admin.fetchTopicOffsets(topic)) {
      if (low !== high) ends.set(`${topic}/${partition}`, BigInt(high));
    }
  }
  // A group of its own, so that it gets all partitions.
  const groupId = `replica-${randomUUID()}`;
  const consumer = client.consumer({ groupId });
  await consumer.connect();
  await consumer.subscribe({ topics, fromBeginning: true });
  try {
    await new Promise<void>((done, fail) => {
      if (untilEnd && ends.size === 0) return done();
      consumer.on("consumer.crash", ({ payload }) => fail(payload.error));
      const eachMessage = async (payload: EachMessagePayload) => {
        try {
          take(payload);
        } catch (error) {
          return fail(error); // The client would try the message again and again.
        }
        const place = `${payload.topic}/${payload.partition}`;
        if (BigInt(payload.message.offset) + 1n === ends.get(place)) ends.delete(place);
        if (untilEnd && ends.size === 0) done();
      };
      consumer.run({ autoCommit: false, eachMessage }).catch(fail);
    });
  } finally {
    await consumer.disconnect();
    await admin.deleteGroups([groupId]);
    await admin.disconnect();
  }
}
