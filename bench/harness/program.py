"""What every program under measurement is, and where it reads and writes."""

import os
import subprocess
from dataclasses import dataclass

from harness.built import path_of, probe
from harness.servers import Servers


@dataclass(frozen=True)
class Backlog:
    """What waits in the slots: so many rows, the last of which is committed beyond `end`."""

    rows: int
    end: str


@dataclass(frozen=True)
class Place:
    """A scenario's servers and sink, and a folder for what programs keep."""

    servers: Servers
    sink: str
    folder: str
    source: str = "postgres"

    @property
    def postgres(self):
        return self.servers.postgres

    @property
    def mysql(self):
        return self.servers.mysql

    @property
    def database(self):
        """The one that is read."""
        return self.mysql if self.source == "mysql" else self.postgres

    @property
    def schema(self):
        """What the table is in, as topics are named."""
        return "shop" if self.source == "mysql" else "public"

    @property
    def broker(self):
        return self.servers.broker(self.sink)

    def log(self, name):
        return os.path.join(self.folder, f"{name}.log")

    def address(self):
        """Of the broker, as the probe takes it."""
        return [f"--{self.sink}", f"127.0.0.1:{self.broker.port}"]


class Refused(Exception):
    """A program did not do what was asked, so that its figures would be of something else."""


class Program:
    """One way to do the work. `name` tells it apart in a scenario, `kind` is ours, floor or peer."""

    name, kind, about = "", "", ""
    # Where it writes, if not to the scenario's sink.
    sink = None
    # Whether it takes part in the round that fills caches.
    warms_up = True

    def prepare(self, place, name):
        """Before there is a backlog: its slot, so that it gets all of it."""

    def drain(self, place, name, backlog):
        """Reads the backlog; a sample: rows, seconds, cpu_seconds, peak_mb."""
        raise NotImplementedError

    def load(self, place, name, rows):
        """Reads all tables as they stand; a sample."""
        raise NotImplementedError


def stored_rows(place, stored_as, rows):
    """Every row must be at the sink."""
    found = probe("verify", *place.address(), "--name", stored_as, "--rows", rows)
    complain_of_missing(found)
    return {"bytes": found["bytes"], "messages": found["messages"]}


def complain_of_missing(found):
    if found["missing"]:
        raise Refused(f"{found['missing']} rows did not arrive")


class Arrival:
    """Waits beside a program until so many messages are stored in the broker."""

    def __init__(self, place, stored_as, messages):
        command = [path_of("probe"), "await", *place.address(), "--name", stored_as, "--messages", str(messages)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def wait_beside(self, run, deadline_s=1800):
        """Seconds from the run's start until they were, or why not."""
        try:
            self.process.wait(0.05)
        except subprocess.TimeoutExpired:
            while self.process.poll() is None:
                if not run.is_running():
                    self.process.kill()
                    raise Refused(f"it ended with {run.process.returncode} before all was stored: {run.log}") from None
                if run.seconds() > deadline_s:
                    self.process.kill()
                    raise Refused(f"not all was stored after {deadline_s} s") from None
                try:
                    self.process.wait(0.05)
                except subprocess.TimeoutExpired:
                    continue
        seconds = run.seconds()
        if self.process.returncode != 0:
            raise Refused("the broker could not be watched")
        return seconds
