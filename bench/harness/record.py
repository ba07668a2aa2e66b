"""What a run leaves behind: one JSON file with every sample, and what they were taken on."""

import json
import os
import platform
import re
import subprocess
import time

from harness.built import CDC
from harness.others import binary_mb
from harness.servers import REPOSITORY, STATE

FILE = "record.json"


def begin(folder, options):
    """The record in a folder; one that is there already is gone on with, so that scenarios can be run one by one."""
    path = os.path.join(folder, FILE)
    if os.path.exists(path):
        return read(path)
    return {"format": 1, "began": time.strftime("%Y-%m-%d %H:%M:%S %Z"), "machine": machine(), "versions": versions(options),
            "binary_mb": binary_mb(), "scenarios": []}


def add(record, options, result, load_before):
    """A scenario that was run again replaces what it was."""
    result |= {"version": options.version, "rounds": options.rounds, "load_before": load_before}
    record["scenarios"] = [known for known in record["scenarios"] if known["name"] != result["name"]] + [result]


def save(folder, record):
    path = os.path.join(folder, FILE)
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        json.dump(record, file, indent=1)
        file.write("\n")
    os.rename(f"{path}.new", path)
    return path


def read(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def samples(record, scenario, program):
    """None where it was not run, or nothing was measured."""
    for result in record["scenarios"]:
        if result["name"] == scenario:
            for measured in result["programs"]:
                if measured["name"] == program:
                    return measured["samples"] or None
    return None


# How each metric is read from a sample; None where a sample has nothing of the kind.
METRICS = {
    "rows_per_second": lambda sample: quotient(sample.get("rows"), sample.get("seconds")),
    "cpu_per_million": lambda sample: quotient(sample.get("cpu_seconds"), sample.get("rows"), 1e6),
    "server_cpu_per_million": lambda sample: quotient(sample.get("server_cpu_seconds"), sample.get("rows"), 1e6),
    **{name: lambda sample, name=name: sample.get(name) for name in ("peak_mb", "seconds", "cpu_share", "cpu_seconds_per_hour")},
    **{point: lambda sample, point=point: quotient((sample.get("from_commit") or {}).get(point), 1000)
       for point in ("p50", "p99", "p999", "max")},
}


def quotient(value, by, scale=1):
    return value / by * scale if value is not None and by else None


def values(samples_of_one, metric):
    """All of one metric; empty where it does not apply."""
    found = [METRICS[metric](sample) for sample in samples_of_one or []]
    return [value for value in found if value is not None]


def machine():
    return {"processor": processor(), "cores": os.cpu_count(), "memory_gb": round(memory_kb() / 1e6, 1),
            "kernel": platform.release(), "system": system()}


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return names[0] if names else platform.machine()


def memory_kb():
    with open("/proc/meminfo", encoding="utf-8") as file:
        return int(file.readline().split()[1])


def system():
    with open("/etc/os-release", encoding="utf-8") as file:
        return dict(line.strip().split("=", 1) for line in file if "=" in line).get("PRETTY_NAME", "").strip('"')


def versions(options):
    commit = first_line(["git", "-C", REPOSITORY, "describe", "--always", "--dirty"])
    found = [f"{first_line([CDC, '--version'])} ({commit})", f"PostgreSQL {options.version}",
             first_line(["pg_recvlogical", "--version"]), first_line(["psql", "--version"]), f"Python {platform.python_version()}",
             first_line([os.path.join(STATE, "mysql", "bin", "mysqlbinlog"), "--version"])]
    for kind in ("postgres/" + options.version, "kafka", "nats", "peers"):
        release = os.path.join(STATE, kind, ".release")
        if os.path.exists(release):
            with open(release, encoding="utf-8") as file:
                found.append(f"{kind} {file.read().strip()}")
    return found


def first_line(command):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    except FileNotFoundError:
        return "unknown"
    # Some begin with the path that they were called by, which is nobody's business.
    line = done.stdout.strip().splitlines()[0] if done.stdout.strip() else "unknown"
    return re.sub(r"\S+/", "", line)
