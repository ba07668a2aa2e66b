"""An hour of nothing, the way to the first event, and whether time per row stays the same as things grow."""

import os
import time
from dataclasses import dataclass

from harness import data
from harness.built import CDC
from harness.cdc import Cdc
from harness.peers import Debezium
from harness.processes import memory_mb, process_tree
from harness.program import Arrival, Backlog, Refused
from harness.scenario import Scenario, slot_name, tell


class Idle(Scenario):
    name, title, group, is_default, sink, metric = "idle", "a database that does nothing, to Kafka", "Idle", True, "kafka", "idle"
    programs = (Cdc(), Debezium())

    def prepare(self, place, options, programs):
        place.postgres.sql(data.table())
        place.postgres.sql("CREATE PUBLICATION bench FOR TABLE bench")

    def rounds(self, options):
        return range(1, 2)

    def sample(self, place, options, program, number):
        name = slot_name(program, number)
        program.prepare(place, name)
        run = program.start(place, name)
        try:
            if isinstance(program, Debezium):
                program.await_streaming(place, name, run)
            # What a start leaves to do is not idling.
            time.sleep(10)
            run.count_from_here()
            time.sleep(15 if options.quick else options.idle_s)
            cpu_seconds, seconds = run.cpu_seconds() - run.cpu_before, run.seconds()
            memory = sum(memory_mb(pid) or 0 for pid in process_tree(run.process.pid))
        finally:
            run.stop()
            place.postgres.drop_slot(name)
        return {"rows": None, "seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mb": memory,
                "cpu_seconds_per_hour": cpu_seconds / seconds * 3600}


class CdcToStdout(Cdc):
    """Its first byte is its first event."""

    def __init__(self):
        super().__init__("cdc to a pipe", sink="stdout", format="json")

    def first_event(self, place, name):
        run = self.start(place, name, keep_output=True)
        begun = run.process.stdout.read(1)
        seconds = run.seconds()
        run.process.stdout.close()
        run.stop()
        if not begun:
            raise Refused(f"it ended with {run.process.returncode}: {run.log}")
        return {"rows": None, "seconds": seconds, **run.used()}


class Start(Scenario):
    """From its start to the first change, which waits in its slot already."""

    name, title, group, is_default, sink, metric = "start", "start to the first event", "Start", True, "kafka", "start"
    programs = (CdcToStdout(), Cdc(), Debezium("latency"))

    def prepare(self, place, options, programs):
        place.postgres.sql(data.table())
        place.postgres.sql("CREATE PUBLICATION bench FOR TABLE bench")
        for program in programs:
            for number in self.rounds(options):
                program.prepare(place, slot_name(program, number))
        place.postgres.sql(data.one_transaction(1))

    def sample(self, place, options, program, number):
        name = slot_name(program, number)
        if isinstance(program, CdcToStdout):
            return program.first_event(place, name)
        run = program.start(place, name)
        try:
            seconds = Arrival(place, program.stored_as(place, name), 1).wait_beside(run)
        finally:
            run.stop()
        return {"rows": None, "seconds": seconds, **run.used()}


@dataclass
class Growth(Scenario):
    """Time per row must not depend on how many rows, or tables, there are. Each size is a program of its own here."""

    name: str
    title: str
    sizes: tuple
    sink: str = "null"
    is_default: bool = False
    group = "Growth"

    @property
    def programs(self):
        return tuple(Grown(size, self.describe(size)) for size in self.sizes)

    def has_warm_up(self, options):
        return False

    def rounds(self, options):
        return range(1, min(options.rounds, 2) + 1)

    def run(self, options, folder, programs):
        """Each size with servers of its own, so that none inherits another's log. (A socket's path is limited to 107 bytes.)"""
        results = [super(Growth, self).run(options, os.path.join(folder, str(program.size)), (program,))
                   for program in programs]
        return {**results[0], "programs": [program for result in results for program in result["programs"]]}

    def prepare(self, place, options, programs):
        size = programs[0].size
        tables = data.tables(self.tables_of(size))
        rows = self.rows_of(size, options)
        for start in range(0, len(tables), 100):
            place.postgres.sql("; ".join(data.table(name) for name in tables[start:start + 100]))
        place.postgres.sql("CREATE PUBLICATION bench FOR TABLE " + ", ".join(tables))
        for number in self.rounds(options):
            programs[0].prepare(place, slot_name(programs[0], number))
        tell(f"{self.name}: writing {rows} rows into {len(tables)} tables")
        place.postgres.sql(self.write(rows, len(tables)))
        end = place.postgres.sql("SELECT pg_current_wal_lsn()")
        place.postgres.sql("INSERT INTO bench (id, note) VALUES (0, 'beyond the end')")
        self.backlog = Backlog(rows, end)

    def sample(self, place, options, program, number):
        return program.drain(place, slot_name(program, number), self.backlog)


class Grown(Cdc):
    def __init__(self, size, name):
        super().__init__(name)
        self.size = size


class GrowthOfRows(Growth):
    def describe(self, size):
        return f"{size} x --rows"

    def tables_of(self, _size):
        return 1

    def rows_of(self, size, options):
        return size * options.rows

    def write(self, rows, _tables):
        return data.one_transaction(rows)


class GrowthOfTables(Growth):
    def describe(self, size):
        return f"{size} tables"

    def tables_of(self, size):
        return size

    def rows_of(self, _size, options):
        return int(0.3 * options.rows)

    def write(self, rows, tables):
        return data.transactions_over_tables(rows, tables)


OTHERS = (
    Idle(),
    Start(),
    GrowthOfRows("growth-rows", "one transaction of growing size, to nowhere", (1, 3, 10)),
    GrowthOfTables("growth-tables", "transactions of 10 rows over ever more tables, to nowhere", (1, 100, 1000)),
)


def binary_mb():
    return os.path.getsize(CDC) / 1e6
