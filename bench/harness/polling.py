"""Reading all of a table over ODBC and comparing each row with what was known: what a database without a log costs."""

import json
import os
from dataclasses import dataclass

from harness.built import CDC
from harness.cdc import Cdc
from harness.floors import PsqlCopy, timed
from harness.loads import Load
from harness.processes import Run
from harness.program import Refused


class CdcPolling(Cdc):
    """A scan of a table that has not changed since the last one: from start to end of the program."""

    def __init__(self):
        super().__init__()
        self.about = "this program, over ODBC"

    def load(self, place, name, rows):
        config = self.config(place, "polling")
        if not os.path.exists(config):
            self.configure(place, "polling", load="only")
            self.scan(config, place.log("first"), rows)
        return self.scan(config, place.log(name), 0)

    def configure(self, place, name, load):
        with open(self.config(place, name), "w", encoding="utf-8") as file:
            file.write(f'[pipeline]\nname = "{name}"\nstate_dir = "{place.folder}/state"\n[source.odbc]\n'
                       'connection_string = "Driver=PostgreSQL Unicode;Servername=127.0.0.1;'
                       f'Port={place.postgres.port};Database=postgres;Uid=postgres"\n'
                       f'[[source.odbc.resource]]\ntable = "public.bench"\n[load]\nmode = "{load}"\n[sink.null]\n')

    def scan(self, config, log, expected):
        run = Run([CDC, "run", "-c", config, "--log-format", "json"], log)
        sample = timed(run, None)
        lines = [json.loads(line) for line in run.log_text().splitlines()]
        scanned = next(line for line in lines if line["message"] == "scanned")
        found = scanned["inserted"] + scanned["updated"] + scanned["deleted"]
        if found != expected:
            raise Refused(f"it found {found} changes where there are {expected}: {log}")
        return {**sample, "rows": scanned["rows"], "fetching_seconds": scanned["fetching_ms"] / 1e3}


@dataclass
class Polling(Load):
    is_default: bool = False
    group = "Polling"


POLLS = (
    Polling("poll-null", "a table in which nothing has changed", (PsqlCopy(), CdcPolling())),
    Polling("poll-10m", "a table of ten times --rows in which nothing has changed", (PsqlCopy(), CdcPolling()), share=10),
)
