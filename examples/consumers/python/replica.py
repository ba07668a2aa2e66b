"""Tables, rebuilt from events: everything that docs/envelope.md asks of a consumer, and no broker.

`Replica.apply` takes each partition's events in their order and keeps, beside the rows, one pair of numbers per table
and partition. That drops what is delivered again and shows what is missing.
"""

from collections import Counter

from cdc.v1 import event_pb2 as cdc

COUNTED = (cdc.OP_INSERT, cdc.OP_UPDATE, cdc.OP_DELETE, cdc.OP_TRUNCATE)
NOT_SENT = object()  # Neither a value nor a null.


class Replica:
    """The tables of one source."""

    def __init__(self, say):
        self.say = say  # Told of each hole, in a person's words.
        self.holes = 0
        self.schemas = {}  # By fingerprint.
        self.parts = {}  # By table and partition.
        self.numbers = {}  # By table and epoch, or table and load.

    def learn(self, event):
        """Keeps the schema of a SCHEMA event, from in band or from the topic or bucket of all schemas."""
        self.schemas[event.schema_fp] = event.table_schema

    def apply(self, event, partition=0, partitions=1):
        """Takes the next event of a partition; `partitions` is how many its topic has."""
        if event.op == cdc.OP_SCHEMA:
            self.learn(event)
        if not event.table or event.op == cdc.OP_SCHEMA:
            return  # MESSAGE and HEARTBEAT have no table.
        table = (event.source, event.schema, event.table)
        part = self.parts.setdefault((table, partition), Part())
        if event.op in COUNTED:
            if (event.epoch, event.table_seq) <= part.last:
                return  # Delivered again: it is applied already.
            part.last = (event.epoch, event.table_seq)
            self.count((table, event.epoch), partition, partitions, event.table_seq)
        elif event.op == cdc.OP_READ:
            self.count((table, event.load.id), partition, partitions, event.table_seq)
        elif event.op == cdc.OP_LOAD_END:
            self.count((table, event.load.id), partition, partitions, event.load.rows, came=False)
        if event.schema_fp not in self.schemas:
            raise LookupError(f"no schema {event.schema_fp:016x} of {event.schema}.{event.table}: neither before its "
                              "rows nor in the topic or bucket of all schemas")
        part.apply(event, self.schemas[event.schema_fp])

    def count(self, of, partition, partitions, number, came=True):
        numbers = self.numbers.setdefault(of, Numbers(partitions))
        self.report(of, numbers.reach(partition, number, came))

    def finish(self):
        """Everything is read: a number that has not come in any partition by now is missing."""
        for of, numbers in self.numbers.items():
            if isinstance(of[1], int):  # A load without its LOAD_END broke off, and is read again.
                for partition in numbers.reached:
                    self.report(of, numbers.reach(partition, max(numbers.reached.values()), came=False))

    def report(self, of, missing):
        ((_, schema, table), within) = of
        counted = f"changes of epoch {within}" if isinstance(within, int) else f"rows of load {within}"
        for first, last in missing:
            self.holes += 1
            self.say(f"HOLE: {schema}.{table}: {counted}: number {first} to {last} missing")

    def rows(self):
        """Yields each table's (schema, table) and its rows as dictionaries."""
        tables = {}
        for ((_, schema, table), _), part in self.parts.items():
            rows = tables.setdefault((schema, table), [])
            for key, row in part.rows.items():
                rows.extend([row] * part.copies.get(key, 1))
        return tables.items()


class Numbers:
    """Which numbers have come, over all partitions. They ascend in each, so what all have passed comes no more."""

    def __init__(self, partitions):
        self.complete = 0  # Up to here, each has come or was reported.
        self.ahead = set()
        self.reached = dict.fromkeys(range(partitions), 0)

    def reach(self, partition, number, came=True):
        """A partition has reached a number; returns what is now known to be missing, as ranges."""
        self.reached[partition] = max(number, self.reached.get(partition, 0))
        if came and number > self.complete:
            self.ahead.add(number)
        passed, missing = min(self.reached.values()), []
        while self.complete < passed or self.complete + 1 in self.ahead:
            self.complete += 1
            if self.complete in self.ahead:
                self.ahead.remove(self.complete)
            elif missing and missing[-1][1] == self.complete - 1:
                missing[-1] = (missing[-1][0], self.complete)
            else:
                missing.append((self.complete, self.complete))
        return missing


class Part:
    """One table's rows in one partition: a key is always in the same."""

    def __init__(self):
        self.last = (0, 0)  # Epoch and number of the last change.
        self.rows = {}  # By the key's bytes; equal keys have equal bytes.
        self.copies = Counter()  # Of a table without a key: how many times each row is there.
        self.load = None  # The load under way: its ID, and the keys seen in it.

    def apply(self, event, schema):
        if event.op == cdc.OP_TRUNCATE:
            self.clear()
        elif event.op == cdc.OP_LOAD_BEGIN:
            self.load = (event.load.id, set())
            if not schema.key:
                self.clear()  # Such a table is always read whole, and its rows can't be told apart.
        elif event.op == cdc.OP_LOAD_END:
            self.end_load(event.load, schema)
        elif not schema.key:
            self.apply_without_key(event, schema)
        else:
            key = event.key.SerializeToString(deterministic=True)
            if event.op == cdc.OP_DELETE:
                self.rows.pop(key, None)
                return
            if event.op == cdc.OP_READ and self.load:
                self.load[1].add(key)
            self.rows[key] = dictionary(event.after, schema, self.rows.get(key, {}))

    def apply_without_key(self, event, schema):
        for row, change in ((event.before, -1), (event.after, 1)):
            if row.values:
                key = row.SerializeToString(deterministic=True)
                self.rows[key] = dictionary(row, schema, {})
                self.copies[key] += change
                if self.copies[key] == 0:
                    del self.rows[key], self.copies[key]

    def end_load(self, load, schema):
        """What is in the load's range and was not seen in it is gone from the source."""
        if schema.key and self.load and self.load[0] == load.id:
            column = schema.columns[schema.key[0]].name
            low, high = ([cell(value) for value in bound.values] for bound in (getattr(load, "from"), load.to))
            for key in self.rows.keys() - self.load[1]:
                value = self.rows[key][column]
                if (not low or low[0] <= value) and (not high or value < high[0]):
                    del self.rows[key]
        self.load = None

    def clear(self):
        self.rows.clear()
        self.copies.clear()


def dictionary(row, schema, known):
    """A row by its columns' names; what was not sent stays as it is known."""
    cells = {column.name: cell(value) for column, value in zip(schema.columns, row.values)}
    return {name: known.get(name) if value is NOT_SENT else value
            for name, value in cells.items() if value is not NOT_SENT or name in known}


def cell(value):
    """A value as Python has it. Timestamps and times stay microseconds, dates days: some are beyond `datetime`."""
    kind = value.WhichOneof("kind")
    if kind == "null":
        return None
    if kind in ("unchanged", "omitted", None):
        return NOT_SENT
    if kind == "array":
        return [cell(item) for item in value.array.values]
    if kind == "other":
        return value.other.text
    return getattr(value, kind)  # A decimal is its exact text.
