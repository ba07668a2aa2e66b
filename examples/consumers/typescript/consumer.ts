// Keeps a copy of a source's tables from its events in Kafka or NATS JetStream.
//
//   npm start -- --source shop --kafka 127.0.0.1:9092
//   npm start -- --source shop --nats nats://127.0.0.1:4222 --until-end --replica rows.json
//
// It starts from the beginning each time, because its copy is in memory. A consumer that keeps its rows in a database
// keeps the numbers and its place in the topic there too, in one transaction with the rows.

import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { readKafka } from "./kafka.js";
import { readNats } from "./nats.js";
import { type Cell, Replica, type Table } from "./replica.js";

const { values: options } = parseArgs({
  options: {
    source: { type: "string" }, // pipeline.name of the configuration
    kafka: { type: "string" }, // the brokers
    nats: { type: "string" }, // the URL
    "until-end": { type: "boolean", default: false }, // stop at what is the end now
    replica: { type: "string" }, // write all rows there in the end, as JSON
  },
});
const { source, kafka, nats } = options;
if (!source || !kafka === !nats) {
  console.error("needs --source, and one of --kafka and --nats");
  process.exit(2);
}

const replica = new Replica((hole) => console.error(hole));
process.once("SIGINT", () => end(replica));
if (kafka) await readKafka(kafka.split(","), source, replica, options["until-end"]);
else if (nats) await readNats(nats, source, replica, options["until-end"]);
replica.finish();
end(replica);

function end(replica: Replica): never {
  const tables = replica.tables();
  for (const { schema, table, rows } of tables) console.log(`${schema}.${table}: ${rows.length} rows`);
  if (options.replica) writeFileSync(options.replica, JSON.stringify({ tables: tables.map(plain), holes: replica.holes }));
  process.exit(replica.holes > 0 ? 3 : 0);
}

function plain({ schema, table, rows }: Table) {
  const row = (row: Map<string, Cell>) => Object.fromEntries([...row].map(([name, cell]) => [name, plainCell(cell)]));
  return { schema, table, rows: rows.map(row) };
}

/** What JSON has no way to write becomes text. */
function plainCell(cell: Cell): unknown {
  if (Array.isArray(cell)) return cell.map(plainCell);
  if (cell instanceof Uint8Array) return Buffer.from(cell).toString("hex");
  if (Object.is(cell, -0)) return "-0";
  return typeof cell === "bigint" || typeof cell === "number" ? String(cell) : cell;
}
