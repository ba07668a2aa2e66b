import { fromBinary } from "@bufbuild/protobuf";
import { jetstream } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { connect } from "@nats-io/transport-node";
import { ChangeEventSchema } from "./cdc/v1/event_pb.js";
import type { Replica } from "./replica.js";

/** Reads the stream `CDC_{source}`, which has one order for all tables. */
export async function readNats(url: string, source: string, replica: Replica, untilEnd: boolean): Promise<void> {
  const connection = await connect({ servers: url });
  // Schemas come before their rows too; this is for who starts to read in the middle.
  const schemas = await new Kvm(connection).open(`cdc_schemas_${source}`);
  for await (const fingerprint of await schemas.keys()) {
    const entry = await schemas.get(fingerprint);
    if (entry) replica.learn(fromBinary(ChangeEventSchema, entry.value));
  }
  const consumer = await jetstream(connection).consumers.get(`CDC_${source}`);
  let left = (await consumer.info()).num_pending;
  if (left > 0 || !untilEnd) {
    for await (const message of await consumer.consume()) {
      replica.apply(fromBinary(ChangeEventSchema, message.data));
      left = message.info.pending;
      if (untilEnd && left === 0) break;
    }
  }
  await connection.close();
}
