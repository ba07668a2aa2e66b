"""Runs a program and measures its whole process tree: seconds, CPU seconds, peak memory."""

import os
import re
import signal
import subprocess
import threading
import time

TICKS = os.sysconf("SC_CLK_TCK")
# VmHWM is the kernel's own high-water mark, so that looking seldom misses only what a process did right before its end.
LOOK_EVERY_S = 0.025
LOOK_FOR_CHILDREN_EVERY_S = 0.5
STOP_DEADLINE_S = 60


class Run:
    """A program that is running. Its clock and its CPU count from the start, or from `count_from_here`."""

    def __init__(self, command, log, environment=None, keep_output=False):
        self.log = log
        with open(log, "ab") as file:
            self.start = time.monotonic()
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE if keep_output else file, stderr=file,
                env={**os.environ, **(environment or {})})
        self.cpu_before = 0.0
        self.peak_mb = 0.0
        self.usage = None
        self.ended = threading.Event()
        self.watcher = threading.Thread(target=self.watch, daemon=True)
        self.watcher.start()

    def watch(self):
        tree, looked = [self.process.pid], 0.0
        while not self.ended.wait(LOOK_EVERY_S):
            if time.monotonic() - looked > LOOK_FOR_CHILDREN_EVERY_S:
                tree, looked = process_tree(self.process.pid), time.monotonic()
            alive = {pid: peak_memory_mb(pid) for pid in tree}
            self.peak_mb = max(self.peak_mb, sum(peak for peak in alive.values() if peak))

    def count_from_here(self):
        """What came before was starting up: it is neither this program's speed nor its CPU."""
        self.start = time.monotonic()
        self.cpu_before = self.cpu_seconds()

    def seconds(self):
        return time.monotonic() - self.start

    def cpu_seconds(self):
        """While it runs."""
        return tree_cpu_seconds(self.process.pid)

    def is_running(self):
        return self.usage is None and self.reap(os.WNOHANG) is None

    def wait(self):
        """Until it ends by itself."""
        self.reap(0)
        return self.process.returncode

    def stop(self):
        """In order, and by force if it takes too long."""
        deadline = time.monotonic() + STOP_DEADLINE_S
        if self.is_running():
            self.process.send_signal(signal.SIGTERM)
        while self.is_running():
            if time.monotonic() > deadline:
                self.process.kill()
                self.wait()
            time.sleep(0.005)
        return self.process.returncode

    def used(self):
        """CPU seconds since the count began and peak memory, once it has ended."""
        total = self.usage.ru_utime + self.usage.ru_stime
        return {"cpu_seconds": total - self.cpu_before, "peak_mb": self.peak_mb}

    def reap(self, options):
        if self.usage is None:
            # wait4 alone tells what one child used; with its own children in it, if it has waited for them.
            pid, status, usage = os.wait4(self.process.pid, options)
            if pid:
                self.usage = usage
                self.process.returncode = os.waitstatus_to_exitcode(status)
                self.ended.set()
                self.watcher.join()
        return self.usage

    def log_text(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()


def process_tree(pid):
    """A process and its descendants that are alive."""
    found = [pid]
    for parent in found:
        try:
            for thread in os.listdir(f"/proc/{parent}/task"):
                with open(f"/proc/{parent}/task/{thread}/children", encoding="utf-8") as file:
                    found += [int(child) for child in file.read().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def cpu_seconds(pid):
    """Of a process and of those of its children that it has waited for."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            fields = file.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(int(field) for field in fields[11:15]) / TICKS


def tree_cpu_seconds(pid):
    """Summed again if a process came or went meanwhile: one that is just being waited for would count twice or not at all."""
    while True:
        tree = process_tree(pid)
        total = sum(cpu_seconds(process) for process in tree)
        if process_tree(pid) == tree:
            return total


def peak_memory_mb(pid):
    """None of a process that is gone but for its status."""
    return status_mb(pid, "VmHWM")


def memory_mb(pid):
    return status_mb(pid, "VmRSS")


def status_mb(pid, field):
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8") as file:
            found = re.search(rf"{field}:\s+(\d+) kB", file.read())
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(found.group(1)) / 1024 if found else None
