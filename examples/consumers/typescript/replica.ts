// Tables, rebuilt from events: everything that docs/envelope.md asks of a consumer, and no broker.
//
// `Replica.apply` takes each partition's events in their order and keeps, beside the rows, one pair of numbers per
// table and partition. That drops what is delivered again and shows what is missing.

import { toBinary } from "@bufbuild/protobuf";
import { type ChangeEvent, type Load, Op, type Row, RowSchema, type TableSchema, type Value } from "./cdc/v1/event_pb.js";
import { Numbers } from "./numbers.js";

/** Timestamps and times are microseconds, dates days, decimals their exact text: more than `Date` and `number` hold. */
export type Cell = null | boolean | bigint | number | string | Uint8Array | Cell[];
export type Dictionary = Map<string, Cell>;
export type Table = { schema: string; table: string; rows: Dictionary[] };

const COUNTED = [Op.INSERT, Op.UPDATE, Op.DELETE, Op.TRUNCATE];

/** The tables of one source. */
export class Replica {
  holes = 0;
  private readonly schemas = new Map<bigint, TableSchema>(); // By fingerprint.
  private readonly parts = new Map<string, Part>(); // By table and partition.
  private readonly changes = new Map<string, Numbers>(); // By table and epoch.
  private readonly loads = new Map<string, Numbers>(); // By table and load.

  /** `say` is told of each hole, in a person's words. */
  constructor(private readonly say: (hole: string) => void) {}

  /** Keeps the schema of a SCHEMA event, from in band or from the topic or bucket of all schemas. */
  learn(event: ChangeEvent): void {
    if (event.tableSchema) this.schemas.set(event.schemaFp, event.tableSchema);
  }

  /** Takes the next event of a partition; `partitions` is how many its topic has. */
  apply(event: ChangeEvent, partition = 0, partitions = 1): void {
    if (event.op === Op.SCHEMA) this.learn(event);
    if (event.table === "" || event.op === Op.SCHEMA) return; // MESSAGE and HEARTBEAT have no table.
    const part = entry(this.parts, JSON.stringify([event.source, event.schema, event.table, partition]), () => new Part(event));
    const name = `${event.schema}.${event.table}`;
    const load = `${name}: rows of load ${event.load?.id}`;
    if (COUNTED.includes(event.op)) {
      if (event.epoch < part.epoch || (event.epoch === part.epoch && event.tableSeq <= part.tableSeq)) {
        return; // Delivered again: it is applied already.
      }
      [part.epoch, part.tableSeq] = [event.epoch, event.tableSeq];
      const changes = `${name}: changes of epoch ${event.epoch}`;
      const numbers = entry(this.changes, changes, () => new Numbers(partitions));
      this.report(changes, numbers.reach(partition, event.tableSeq, true));
    } else if (event.op === Op.READ) {
      const numbers = entry(this.loads, load, () => new Numbers(partitions));
      this.report(load, numbers.reach(partition, event.tableSeq, true));
    } else if (event.op === Op.LOAD_END) {
      const numbers = entry(this.loads, load, () => new Numbers(partitions));
      this.report(load, numbers.reach(partition, event.load?.rows ?? 0n, false));
    }
    const schema = this.schemas.get(event.schemaFp);
    if (!schema) {
      const fingerprint = event.schemaFp.toString(16).padStart(16, "0");
      throw new Error(`no schema ${fingerprint} of ${name}: neither before its rows nor in the topic or bucket of all schemas`);
    }
    part.apply(event, schema);
  }

  /** Everything is read: a number that has not come in any partition by now is missing. */
  finish(): void {
    // Not of loads: one without its LOAD_END broke off, and is read again.
    for (const [what, numbers] of this.changes) this.report(what, numbers.finish());
  }

  /** Each table's rows. */
  tables(): Table[] {
    const tables = new Map<string, Table>();
    for (const { schema, table, rows, copies } of this.parts.values()) {
      const found = entry(tables, JSON.stringify([schema, table]), () => ({ schema, table, rows: [] }));
      for (const [key, row] of rows) found.rows.push(...new Array<Dictionary>(copies.get(key) ?? 1).fill(row));
    }
    return [...tables.values()];
  }

  private report(what: string, missing: [bigint, bigint][]): void {
    this.holes += missing.length;
    for (const [first, last] of missing) this.say(`HOLE: ${what}: number ${first} to ${last} missing`);
  }
}

/** One table's rows in one partition: a key is always in the same. */
class Part {
  readonly schema: string;
  readonly table: string;
  epoch = 0n; // Of the last change.
  tableSeq = 0n;
  readonly rows = new Map<string, Dictionary>(); // By the key's bytes; equal keys have equal bytes.
  readonly copies = new Map<string, number>(); // Of a table without a key: how many times each row is there.
  private load?: { id: string; seen: Set<string> }; // The load under way, and the keys seen in it.

  constructor(event: ChangeEvent) {
    [this.schema, this.table] = [event.schema, event.table];
  }

  apply(event: ChangeEvent, schema: TableSchema): void {
    const hasKey = schema.key.length > 0;
    switch (event.op) {
      case Op.TRUNCATE:
        return this.clear();
      case Op.LOAD_BEGIN:
        this.load = { id: event.load?.id ?? "", seen: new Set() };
        // A table without a key is always read whole, and its rows can't be told apart.
        return hasKey ? undefined : this.clear();
      case Op.LOAD_END:
        if (hasKey && event.load && this.load?.id === event.load.id) this.endLoad(event.load, this.load.seen, schema);
        this.load = undefined;
        return;
    }
    if (!hasKey || !event.key) {
      this.applyWithoutKey(event.before, schema, -1);
      this.applyWithoutKey(event.after, schema, 1);
      return;
    }
    const key = bytesOf(event.key);
    if (event.op === Op.DELETE) {
      this.rows.delete(key);
    } else if (event.after) {
      if (event.op === Op.READ) this.load?.seen.add(key);
      this.rows.set(key, dictionary(event.after, schema, this.rows.get(key)));
    }
  }

  private applyWithoutKey(row: Row | undefined, schema: TableSchema, change: number): void {
    if (!row) return;
    const key = bytesOf(row);
    const copies = (this.copies.get(key) ?? 0) + change;
    this.rows.set(key, dictionary(row, schema));
    this.copies.set(key, copies);
    if (copies === 0) {
      this.rows.delete(key);
      this.copies.delete(key);
    }
  }

  /** What is in the load's range and was not seen in it is gone from the source. */
  private endLoad(load: Load, seen: Set<string>, schema: TableSchema): void {
    const column = schema.columns[schema.key[0] ?? 0]?.name ?? "";
    const [low, high] = [load.from, load.to].map((bound) => bound && comparable(cell(bound.values[0])));
    for (const [key, row] of this.rows) {
      const value = comparable(row.get(column));
      if (!seen.has(key) && (low === undefined || value >= low) && (high === undefined || value < high)) {
        this.rows.delete(key);
      }
    }
  }

  private clear(): void {
    this.rows.clear();
    this.copies.clear();
  }
}

/** A row by its columns' names; what was not sent stays as it is known. */
function dictionary(row: Row, schema: TableSchema, known?: Dictionary): Dictionary {
  const named: Dictionary = new Map();
  for (const [position, { name }] of schema.columns.entries()) {
    const sent = cell(row.values[position]);
    const value = sent === undefined ? known?.get(name) : sent;
    if (value !== undefined) named.set(name, value);
  }
  return named;
}

/** A value as JavaScript has it; undefined if it was not sent, which is no null. */
function cell(value: Value | undefined): Cell | undefined {
  const kind = value?.kind;
  switch (kind?.case) {
    case undefined:
    case "unchanged":
    case "omitted":
      return undefined;
    case "null":
      return null;
    case "array":
      return kind.value.values.map((item) => cell(item) ?? null);
    case "other":
      return kind.value.text;
    default:
      return kind?.value;
  }
}

/** A bound is a whole number, a date or a UUID. */
function comparable(value: Cell | undefined): bigint | number | string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  if (typeof value === "bigint" || typeof value === "number") return value;
  return String(value);
}

function bytesOf(row: Row): string {
  return Buffer.from(toBinary(RowSchema, row)).toString("latin1");
}

function entry<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  const value = map.get(key) ?? make();
  map.set(key, value);
  return value;
}
