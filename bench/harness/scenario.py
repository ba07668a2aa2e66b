"""What every scenario is: programs in turns on the same data and the same servers."""

import os
import sys
import time

from harness.program import Place, Refused
from harness.servers import Servers


class Scenario:
    """Has a `name`, as the command line has it, a `title` and a `group` for the report, the `programs`, the `sink` that
    they write to unless they have one of their own, the `source` that they read, and `is_default`: whether it runs unasked."""

    # What it is about: rows_per_second, latency, idle, start.
    metric = "rows_per_second"
    source = "postgres"

    def run(self, options, folder, programs):
        """Every program's samples."""
        with Servers(os.path.join(folder, self.name), options.version) as servers:
            place = Place(servers, self.sink, os.path.join(servers.folder, "programs"), self.source)
            os.makedirs(place.folder)
            self.prepare(place, options, programs)
            measured = {program.name: {"samples": [], "refused": []} for program in programs}
            for number in self.rounds(options):
                # Who follows whom changes, so that nobody always has the warmer machine.
                for program in programs if number % 2 == 0 else list(reversed(programs)):
                    if number > 0 or program.warms_up:
                        self.measure(place, options, program, number, measured[program.name])
        return {"name": self.name, "title": self.title, "group": self.group, "metric": self.metric, "sink": self.sink,
                "source": self.source, "rows": self.rows(options), "programs": [
                    {"name": program.name, "kind": program.kind, "about": program.about, **measured[program.name]}
                    for program in programs]}

    def measure(self, place, options, program, number, measured):
        servers = {name: server for name, server in (("server", place.database), ("broker", place.broker)) if server}
        before = {name: server.cpu_seconds() for name, server in servers.items()}
        try:
            sample = self.sample(place, options, program, number)
        except (Refused, RuntimeError) as why:
            tell(f"{self.name}: {program.name}: no figures: {why}")
            measured["refused"].append(str(why))
            return
        for name, server in servers.items():
            sample.setdefault(f"{name}_cpu_seconds", server.cpu_seconds() - before[name])
        is_warm_up = number == 0 and self.has_warm_up(options)
        if not is_warm_up:
            measured["samples"].append(sample)
        tell(f"{self.name}, {'warm-up' if is_warm_up else f'round {number}'}: {program.name}: {brief(sample)}")

    def rounds(self, options):
        first = 0 if self.has_warm_up(options) else 1
        return range(first, options.rounds + 1)

    def has_warm_up(self, options):
        """A first round that does not count: it fills caches."""
        return not options.quick

    def rows(self, options):
        return 0

    def prepare(self, place, options, programs):
        """Servers, tables, slots and data."""

    def sample(self, place, options, program, number):
        raise NotImplementedError


def slot_name(program, number):
    return "".join(letter if letter.isalnum() else "_" for letter in program.name.lower()) + f"_{number}"


def tell(text):
    print(f"{time.strftime('%H:%M:%S')}  {text}", file=sys.stderr, flush=True)


def brief(sample):
    parts = [f"{sample['seconds']:.2f} s"] if sample.get("seconds") is not None else []
    if sample.get("from_commit"):
        parts.append(f"p50 {sample['from_commit']['p50'] / 1000:.2f} ms, p99 {sample['from_commit']['p99'] / 1000:.2f} ms")
    if sample.get("cpu_seconds") is not None:
        parts.append(f"{sample['cpu_seconds']:.2f} CPU-s")
    if sample.get("server_cpu_seconds") is not None:
        parts.append(f"{sample['server_cpu_seconds']:.2f} of the server's")
    if sample.get("peak_mb") is not None:
        parts.append(f"{sample['peak_mb']:.0f} MB")
    return ", ".join(parts)
