"""The same backlogs in MySQL's binary log. There are no slots: every program takes its place before the backlog is written,
and keeps it itself."""

import os
import shutil
from dataclasses import dataclass

from harness.backlogs import Drain
from harness.cdc import Cdc
from harness.floors import timed
from harness.peers import Debezium
from harness.processes import Run
from harness.program import Backlog, Program, Refused
from harness.scenario import slot_name, tell
from harness.servers import STATE

TABLE = ("CREATE TABLE shop.bench (id bigint PRIMARY KEY, n int, amount decimal(12,2), note text, at timestamp(6), "
         "flag boolean, uid char(36))")
ROW = "g, g % 1000, g * 0.01, concat('row-', lpad(g, 10, '0')), now(6), g % 2 = 0, uuid()"


def one_transaction(rows):
    return (f"SET SESSION cte_max_recursion_depth = {rows}; INSERT INTO shop.bench WITH RECURSIVE numbers (g) AS "
            f"(SELECT 1 UNION ALL SELECT g + 1 FROM numbers WHERE g < {rows}) SELECT {ROW} FROM numbers;")


def small_transactions(rows):
    return (f"delimiter //\nCREATE PROCEDURE shop.fill() BEGIN DECLARE g int DEFAULT 1; WHILE g <= {rows} DO "
            f"INSERT INTO shop.bench VALUES ({ROW}); SET g = g + 1; END WHILE; END//\nCALL shop.fill()//\n")


@dataclass(frozen=True)
class Log:
    """The files that hold a backlog, and nothing else."""

    first: str
    size: int


class Mysqlbinlog(Program):
    name, kind = "mysqlbinlog", "floor"
    about = "MySQL's own reader, `--raw --read-from-remote-server` into files in memory: it decodes nothing"

    def drain(self, place, name, backlog):
        # It writes a file for each of the server's, so that there is no way to /dev/null.
        folder = f"/dev/shm/cdc-bench-{os.getpid()}"
        os.makedirs(folder)
        command = [os.path.join(STATE, "mysql", "bin", "mysqlbinlog"), "--no-defaults", "--read-from-remote-server", "--raw",
                   "--ssl-mode=DISABLED", "-h", "127.0.0.1", "-P", place.mysql.port, "-u", "root", "--to-last-log",
                   f"--result-file={folder}/", backlog.end.first]
        try:
            sample = timed(Run(command, place.log(name)), backlog.rows)
            size = sum(entry.stat().st_size for entry in os.scandir(folder))
        finally:
            shutil.rmtree(folder)
        if size < backlog.end.size:
            raise Refused(f"it read {size} of {backlog.end.size} bytes")
        return sample


@dataclass
class MysqlDrain(Drain):
    source = "mysql"

    def prepare(self, place, options, programs):
        mysql = place.mysql
        mysql.sql(f"CREATE DATABASE shop; {TABLE}")
        for program in programs:
            for number in self.rounds(options):
                if number > 0 or program.warms_up:
                    program.prepare(place, slot_name(program, number))
        rows = self.rows(options)
        tell(f"{self.name}: writing {rows} rows")
        mysql.sql("FLUSH BINARY LOGS")
        before = files(mysql)
        mysql.sql(self.write(rows))
        written = files(mysql)[len(before) - 1:]
        # Commits beyond the end, so that every reader gets to see it being passed.
        mysql.sql("INSERT INTO shop.bench (id, note) VALUES (0, 'beyond the end')")
        self.backlog = Backlog(rows, Log(written[0][0], sum(size for _, size in written)))


def files(mysql):
    """Names and sizes of the log's files."""
    lines = [line.split("\t") for line in mysql.sql("SHOW BINARY LOGS").splitlines()]
    return [(line[0], int(line[1])) for line in lines]


MYSQL_DRAINS = (
    MysqlDrain("mysql-one-null", "one transaction of MySQL, to nowhere", one_transaction, (Mysqlbinlog(), Cdc())),
    MysqlDrain("mysql-small-null", "transactions of one row of MySQL, to nowhere", small_transactions, (Mysqlbinlog(), Cdc()),
               share=0.3, is_default=False),
    MysqlDrain("mysql-one-kafka", "one transaction of MySQL, to Kafka", one_transaction,
               (Cdc(), Cdc("cdc null", sink="null"), Debezium()), sink="kafka"),
    MysqlDrain("mysql-10m-null", "one transaction of MySQL of ten times --rows, to nowhere", one_transaction,
               (Mysqlbinlog(), Cdc()), share=10, is_default=False),
)
