"""The servers of a scenario: throw-away ones, started by `dev/server` and gone with this process."""

import os
import subprocess

from harness.processes import tree_cpu_seconds

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
STATE = os.path.abspath(os.environ.get("CDC_STATE") or os.path.join(REPOSITORY, ".state"))
SERVER = os.path.join(REPOSITORY, "dev", "server")

# A database of a size that people run, else as it comes: with 32 MB, the tests' size, it reads its own tables twice.
POSTGRES_SETTINGS = {"shared_buffers": "512MB", "max_wal_size": "16GB", "checkpoint_timeout": "1h", "autovacuum": "off",
                     "max_replication_slots": "100", "max_wal_senders": "100", "max_locks_per_transaction": "512"}
# Of a size that people run too; the log as it comes with 9.7, but for what a throw-away server writes through to its disk.
MYSQL_SETTINGS = {"innodb_buffer_pool_size": "512M", "innodb_redo_log_capacity": "2G"}
# Debezium Server leaves making topics to the broker; one partition, whoever makes them.
KAFKA_SETTINGS = {"auto.create.topics.enable": "true", "num.partitions": "1"}


class Server:
    """One that is running."""

    def __init__(self, kind, folder, settings, *options):
        command = [SERVER, kind, "start", "--dir", os.path.join(folder, kind), "--owner", str(os.getpid()), *options]
        command += [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
        printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        facts = dict(line.split("=", 1) for line in printed.splitlines())
        self.port, self.pid = facts["port"], int(facts["pid"])

    def cpu_seconds(self):
        return tree_cpu_seconds(self.pid)


class Postgres(Server):
    def __init__(self, folder, version):
        super().__init__("postgres", folder, POSTGRES_SETTINGS, "--version", version)

    def sql(self, text):
        """What a statement prints, bare."""
        command = [*self.psql(), "-q", "-A", "-t", "-c", text]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def psql(self):
        return ["psql", "-X", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", self.port, "-U", "postgres",
                "-d", "postgres"]

    def make_slot(self, name):
        self.sql(f"SELECT pg_create_logical_replication_slot('{name}', 'pgoutput')")

    def drop_slot(self, name):
        self.sql(f"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '{name}'")


class Mysql(Server):
    """A program that reads its log is one of its replicas: nothing waits for it but what it remembers itself."""

    def __init__(self, folder):
        super().__init__("mysql", folder, MYSQL_SETTINGS)

    def sql(self, text):
        """What statements print, bare; `delimiter` is understood."""
        command = [os.path.join(STATE, "mysql", "bin", "mysql"), "-h", "127.0.0.1", "-P", self.port, "-u", "root", "-N", "-B"]
        return subprocess.run(command, check=True, input=text, stdout=subprocess.PIPE, text=True).stdout.strip()

    def is_read(self):
        """Whether anybody reads its log."""
        return self.sql("SELECT count(*) FROM performance_schema.processlist WHERE command LIKE 'Binlog Dump%'") != "0"


class Servers:
    """Of one scenario, each started when it is first asked for; all are ended with it."""

    def __init__(self, folder, version):
        self.folder, self.version = folder, version
        self.started = {}

    def __enter__(self):
        os.makedirs(self.folder)
        os.chmod(self.folder, 0o755)
        return self

    def __exit__(self, *_):
        subprocess.run([SERVER, "stop-all", self.folder], check=False)

    @property
    def postgres(self):
        return self.get("postgres", lambda: Postgres(self.folder, self.version))

    @property
    def mysql(self):
        return self.get("mysql", lambda: Mysql(self.folder))

    def broker(self, sink):
        """Kafka or NATS; none for a sink without a server."""
        if sink == "kafka":
            return self.get("kafka", lambda: Server("kafka", self.folder, KAFKA_SETTINGS))
        if sink == "nats":
            return self.get("nats", lambda: Server("nats", self.folder, {}))
        return None

    def get(self, kind, start):
        if kind not in self.started:
            self.started[kind] = start()
        return self.started[kind]
