"""This repository's program."""

import json
import os
import socket
import time

from harness.built import CDC, probe
from harness.processes import Run
from harness.program import Arrival, Program, Refused, complain_of_missing, stored_rows

LOOK_EVERY_S = 0.02
DEADLINE_S = 900


class Cdc(Program):
    """With its defaults, but for what the name says."""

    kind = "ours"

    def __init__(self, name="cdc", sink=None, streaming=None, format="protobuf"):
        self.name, self.sink, self.streaming, self.format = name, sink, streaming, format
        said = [f"`streaming = {str(streaming).lower()}`"] if streaming is not None else []
        said += [f"`format.kind = \"{format}\"`"] if format != "protobuf" else []
        said += [f"to {sink}"] if sink else []
        self.about = "this program, " + (", ".join(said) or "with its defaults")

    def prepare(self, place, name):
        """A first run, without a load: it makes the slot and the checkpoint."""
        self.configure(place, name, load="never")
        run = self.start(place, name)
        wait_until(run, lambda: '"is_streaming":true' in self.checkpoint(place, name))
        run.stop()

    def drain(self, place, name, backlog):
        run = self.start(place, name)
        try:
            if self.sink_of(place) in ("kafka", "nats"):
                seconds = Arrival(place, self.stored_as(place, name), backlog.rows).wait_beside(run)
            else:
                status = Status(place, name)
                wait_until(run, lambda: status.changes() >= backlog.rows)
                seconds = run.seconds()
        finally:
            code = run.stop()
        if code != 0:
            raise Refused(f"it ended with {code}: {run.log}")
        return {"rows": backlog.rows, "seconds": seconds, **run.used(), **self.verify(place, name, backlog.rows)}

    def load(self, place, name, rows):
        self.configure(place, name, load="initial")
        run = self.start(place, name)
        try:
            status = Status(place, name)
            wait_until(run, status.has_loaded)
            seconds = run.seconds()
            loaded = status.ask()["load"]["rows"]
        finally:
            code = run.stop()
            place.postgres.drop_slot(name)
        if code != 0:
            raise Refused(f"it ended with {code}: {run.log}")
        if loaded != rows:
            raise Refused(f"it loaded {loaded} of {rows} rows")
        return {"rows": rows, "seconds": seconds, **run.used(), **self.verify(place, name, rows)}

    def configure(self, place, name, load):
        sink = self.sink_of(place)
        values = {"kafka": lambda: f'brokers = ["127.0.0.1:{place.broker.port}"]',
                  "nats": lambda: f'servers = ["nats://127.0.0.1:{place.broker.port}"]',
                  "file": lambda: f'path = "{place.folder}/{name}.events"'}.get(sink, lambda: "")()
        streaming = "" if self.streaming is None else f"streaming = {str(self.streaming).lower()}\n"
        with open(self.config(place, name), "w", encoding="utf-8") as file:
            file.write(f'[pipeline]\nname = "{name}"\nstate_dir = "{place.folder}/state"\n'
                       f'{source(place, name)}{streaming}'
                       f'[load]\nmode = "{load}"\n[format]\nkind = "{self.format}"\n[sink.{sink}]\n{values}\n')

    def start(self, place, name, keep_output=False):
        command = [CDC, "run", "-c", self.config(place, name), "--log-format", "json"]
        return Run(command, place.log(name), keep_output=keep_output)

    def sink_of(self, place):
        return self.sink or place.sink

    def stored_as(self, place, name):
        """What the probe looks for."""
        return f"CDC_{name}" if self.sink_of(place) == "nats" else f"{name}.{place.schema}."

    def verify(self, place, name, rows):
        sink = self.sink_of(place)
        if sink in ("kafka", "nats"):
            return stored_rows(place, self.stored_as(place, name), rows)
        if sink == "file":
            path = f"{place.folder}/{name}.events"
            complain_of_missing(probe("verify-file", path, "--rows", rows))
            size = os.path.getsize(path)
            return {"bytes": size}
        return {}

    def config(self, place, name):
        return os.path.join(place.folder, f"{name}.toml")

    def checkpoint(self, place, name):
        try:
            with open(os.path.join(place.folder, "state", name, "checkpoint"), encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return ""


def source(place, name):
    """The configuration's section of it. Without TLS, as all programs here read."""
    if place.source == "mysql":
        return f'[source.mysql]\nurl = "mysql://root@127.0.0.1:{place.mysql.port}/?ssl-mode=DISABLED"\ntables = ["shop.*"]\n'
    return (f'[source.postgres]\nurl = "postgres://postgres@127.0.0.1:{place.postgres.port}/postgres"\n'
            f'slot = "{name}"\npublication = "bench"\n')


class Status:
    """What a running pipeline says of itself, over its control socket."""

    def __init__(self, place, name):
        self.path = os.path.join(place.folder, "state", name, "control.sock")
        self.file = None

    def changes(self):
        """How many changes are durable in the sink."""
        report = self.ask()
        counted = ("insert", "update", "delete")
        return sum(table["events"].get(op, 0) for table in report.get("tables", []) for op in counted)

    def has_loaded(self):
        """Whether all tables are durable in the sink; how many rows they have is exact only then."""
        load = self.ask().get("load") or {}
        return load.get("tables", 0) > 0 and load["tables_done"] == load["tables"]

    def ask(self):
        if self.file is None:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(self.path)
            except OSError:
                return {}
            self.file = connection.makefile("rw", encoding="utf-8")
        self.file.write('{"status":{}}\n')
        self.file.flush()
        return json.loads(self.file.readline())["status"]


def wait_until(run, is_so):
    while not is_so():
        if not run.is_running():
            raise Refused(f"it ended with {run.process.returncode}: {run.log}")
        if run.seconds() > DEADLINE_S:
            raise Refused(f"not done after {DEADLINE_S} s: {run.log}")
        time.sleep(LOOK_EVERY_S)
