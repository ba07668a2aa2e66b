"""The programs that are built here: the product, and what `bench/Cargo.toml` holds."""

import json
import os
import subprocess

from harness.servers import REPOSITORY, STATE

TARGET = os.path.abspath(os.environ.get("CARGO_TARGET_DIR") or os.path.join(REPOSITORY, "target"))
CDC = os.path.join(TARGET, "release", "cdc")
PEERS = os.path.join(STATE, "peers")


def build():
    cargo = ["cargo", "build", "--release", "--locked", "--quiet"]
    subprocess.run([*cargo, "-p", "cdc"], cwd=REPOSITORY, check=True)
    subprocess.run([*cargo, "--target-dir", os.path.join(TARGET, "bench")], cwd=os.path.join(REPOSITORY, "bench"), check=True)


def path_of(name):
    return os.path.join(TARGET, "bench", "release", name)


def probe(*arguments):
    """What the probe finds out."""
    done = subprocess.run([path_of("probe"), *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"probe {arguments[0]}: {done.stderr.strip()}")
    return json.loads(done.stdout.splitlines()[-1])
