"""Reading tables as they stand."""

from dataclasses import dataclass

from harness import data
from harness.cdc import Cdc
from harness.floors import PsqlCopy
from harness.peers import Debezium
from harness.scenario import Scenario, slot_name, tell


@dataclass
class Load(Scenario):
    name: str
    title: str
    programs: tuple
    make: object = data.table
    write: object = data.one_transaction
    share: float = 1.0
    sink: str = "null"
    is_default: bool = True
    group = "Initial load"

    def rows(self, options):
        return int(options.rows * self.share)

    def prepare(self, place, options, programs):
        postgres, rows = place.postgres, self.rows(options)
        postgres.sql(self.make())
        postgres.sql("CREATE PUBLICATION bench FOR TABLE bench")
        tell(f"{self.name}: writing {rows} rows")
        postgres.sql(self.write(rows))
        # Hint bits and the planner's guess, as in a table that has been there for a while.
        postgres.sql("VACUUM ANALYZE bench")
        postgres.sql("CHECKPOINT")

    def sample(self, place, options, program, number):
        return program.load(place, slot_name(program, number), self.rows(options))


LOADS = (
    Load("load-null", "a table of 7 columns, to nowhere", (PsqlCopy(), Cdc())),
    Load("load-kafka", "a table of 7 columns, to Kafka", (PsqlCopy(), Cdc(), Debezium()), sink="kafka"),
    Load("load-wide", "a table of 100 columns, to nowhere", (PsqlCopy(), Cdc()), make=data.wide_table,
         write=data.wide_rows, share=0.1, is_default=False),
    Load("load-wide-kafka", "a table of 100 columns, to Kafka", (PsqlCopy(), Cdc(), Debezium()), make=data.wide_table,
         write=data.wide_rows, share=0.1, sink="kafka", is_default=False),
    Load("load-10m", "a table of ten times --rows, to nowhere", (PsqlCopy(), Cdc()), share=10, is_default=False),
)
