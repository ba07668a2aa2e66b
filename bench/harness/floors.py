"""What no reader or writer can be much better than: the servers' own tools."""

import json
import os

from harness.built import path_of
from harness.cdc import Cdc
from harness.processes import Run
from harness.program import Program, Refused


class PgRecvlogical(Program):
    kind = "floor"

    def __init__(self, streaming=False):
        self.streaming = streaming
        self.name = "pg_recvlogical streaming" if streaming else "pg_recvlogical"
        self.about = "Postgres' own reader, to /dev/null" + (", protocol 2 with `streaming`" if streaming else "")

    def prepare(self, place, name):
        place.postgres.make_slot(name)

    def drain(self, place, name, backlog):
        options = ["proto_version=2", "streaming=on"] if self.streaming else ["proto_version=1"]
        command = ["pg_recvlogical", "-h", "127.0.0.1", "-p", place.postgres.port, "-U", "postgres", "-d", "postgres",
                   "-S", name, "--start", f"--endpos={backlog.end}", "-o", "publication_names=bench", "-f", "/dev/null"]
        command += [part for option in options for part in ("-o", option)]
        return timed(Run(command, place.log(name)), backlog.rows)


class ServerDecoding(Program):
    name, kind = "server decoding", "floor"
    about = "the server's decoding alone, `count(*)` over pg_logical_slot_peek_binary_changes: nothing is sent"

    def prepare(self, place, name):
        place.postgres.make_slot(name)

    def drain(self, place, name, backlog):
        query = (f"SELECT count(*) FROM pg_logical_slot_peek_binary_changes('{name}', NULL, NULL, 'proto_version', '1', "
                 "'publication_names', 'bench')")
        run = Run([*place.postgres.psql(), "-q", "-A", "-t", "-c", query], place.log(name), keep_output=True)
        counted = int(run.process.stdout.read() or 0)
        sample = timed(run, backlog.rows)
        if counted < backlog.rows:
            raise Refused(f"the server decoded {counted} messages for {backlog.rows} rows")
        # psql only waited: what was used is the server's.
        return {**sample, "cpu_seconds": None, "peak_mb": None}


class PsqlCopy(Program):
    name, kind = "psql copy", "floor"
    about = "`psql -c '\\copy bench to /dev/null'`"

    def load(self, place, name, rows):
        run = Run([*place.postgres.psql(), "-c", "\\copy bench to '/dev/null'"], place.log(name), keep_output=True)
        printed = run.process.stdout.read().decode().split()
        sample = timed(run, rows)
        if printed != ["COPY", str(rows)]:
            raise Refused(f"it copied {printed}, not {rows} rows")
        return sample


class BareProducer(Program):
    name, kind = "librdkafka alone", "floor"
    about = "the payloads that cdc sends, from a file through a bare idempotent producer with acks=all and lz4"

    def __init__(self):
        self.cdc, self.slot = Cdc("cdc file", sink="file"), None

    def prepare(self, place, name):
        if self.slot is None:
            self.slot = name
            self.cdc.prepare(place, name)

    def drain(self, place, name, backlog):
        events = os.path.join(place.folder, f"{self.slot}.events")
        # There since it was prepared, and empty.
        if os.path.getsize(events) == 0:
            self.cdc.drain(place, self.slot, backlog)
        command = [path_of("probe"), "produce", "--kafka", f"127.0.0.1:{place.broker.port}", "--topic", f"{name}.bare", events]
        run = Run(command, place.log(name), keep_output=True)
        printed = json.loads(run.process.stdout.read() or "{}")
        sample = timed(run, backlog.rows)
        if printed.get("messages", 0) < backlog.rows:
            raise Refused(f"it sent {printed} for {backlog.rows} rows")
        # Reading the file is not what is measured, its content in memory neither, and the server had no part in it.
        return {**sample, "seconds": printed["seconds"], "peak_mb": None, "server_cpu_seconds": None}


def timed(run, rows):
    """Of a program that ends by itself."""
    code = run.wait()
    seconds = run.seconds()
    if code != 0:
        raise Refused(f"it ended with {code}: {run.log_text()[-300:]}")
    return {"rows": rows, "seconds": seconds, **run.used()}


