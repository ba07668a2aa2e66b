"""Draining what has piled up in a slot."""

from dataclasses import dataclass, field

from harness import data
from harness.cdc import Cdc
from harness.floors import BareProducer, PgRecvlogical, ServerDecoding
from harness.peers import Debezium, Library
from harness.program import Backlog
from harness.scenario import Scenario, slot_name, tell


@dataclass
class Drain(Scenario):
    name: str
    title: str
    write: object
    programs: tuple
    # Of --rows.
    share: float = 1.0
    sink: str = "null"
    is_default: bool = True
    make: object = field(default=lambda: [data.table()])
    tables: int = 1
    group = "Backlog"

    def rows(self, options):
        return int(options.rows * self.share)

    def prepare(self, place, options, programs):
        postgres = place.postgres
        for statement in self.make():
            postgres.sql(statement)
        postgres.sql("CREATE PUBLICATION bench FOR TABLE " + ", ".join(data.tables(self.tables)))
        for program in programs:
            for number in self.rounds(options):
                program.prepare(place, slot_name(program, number))
        rows = self.rows(options)
        tell(f"{self.name}: writing {rows} rows")
        postgres.sql(self.write(rows))
        end = postgres.sql("SELECT pg_current_wal_lsn()")
        # A commit beyond the end, so that every reader gets to see it being passed.
        postgres.sql("INSERT INTO bench (id, note) VALUES (0, 'beyond the end')")
        postgres.sql("CHECKPOINT")
        self.backlog = Backlog(rows, end)

    def sample(self, place, options, program, number):
        return program.drain(place, slot_name(program, number), self.backlog)


def readers():
    return (PgRecvlogical(), Cdc(), Cdc("cdc streaming", streaming=True), ServerDecoding(), Library("pg_walstream", "0.9.0"),
            Library("pgwire-replication", "0.5.0"))


def to_broker(sink):
    return (Cdc(), Cdc("cdc null", sink="null"), Debezium())


def to_kafka():
    """In Debezium's own format too, which is larger."""
    return (*to_broker("kafka"), Cdc("cdc debezium-json", format="debezium-json"), BareProducer())


def to_jetstream():
    """Where the server's decoding goes on beside the broker's storing, too."""
    return (*to_broker("nats"), Cdc("cdc streaming", streaming=True))


def formats():
    return tuple(Cdc(f"cdc {format}", format=format) for format in ("protobuf", "json", "debezium-json"))


def over_tables(rows):
    return data.transactions_over_tables(rows, 100)


def hundred_tables():
    return [data.table(name) for name in data.tables(100)]


DRAINS = (
    Drain("one-null", "one transaction, to nowhere", data.one_transaction, readers()),
    Drain("small-null", "transactions of one row, to nowhere", data.small_transactions, readers(), share=0.3),
    Drain("toast-null", "updates beside a large unchanged value, to nowhere", data.toast_updates,
          (PgRecvlogical(), Cdc()), share=0.1, make=lambda: [data.toast_table()]),
    Drain("tables-null", "transactions of 10 rows over 100 tables, to nowhere", over_tables,
          (PgRecvlogical(), Cdc()), share=0.3, make=hundred_tables, tables=100, is_default=False),
    Drain("one-kafka", "one transaction, to Kafka", data.one_transaction, to_kafka(), sink="kafka"),
    Drain("small-kafka", "transactions of one row, to Kafka", data.small_transactions, to_kafka(),
          share=0.3, sink="kafka", is_default=False),
    Drain("tables-kafka", "transactions of 10 rows over 100 tables, to Kafka", over_tables, (Cdc(), Debezium()),
          share=0.3, sink="kafka", make=hundred_tables, tables=100, is_default=False),
    Drain("one-nats", "one transaction, to JetStream", data.one_transaction, to_jetstream(), share=0.2, sink="nats"),
    Drain("formats-file", "one transaction, to a file, by format", data.one_transaction, formats(), sink="file",
          is_default=False),
    Drain("formats-kafka", "one transaction, to Kafka, by format", data.one_transaction, formats(), sink="kafka",
          is_default=False),
)
