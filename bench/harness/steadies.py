"""Commits at a rate: how long until a consumer has them."""

from dataclasses import dataclass

from harness import data
from harness.built import probe
from harness.cdc import Cdc
from harness.peers import Debezium
from harness.program import Program, Refused
from harness.scenario import Scenario, slot_name


class RoundTrip(Program):
    name, kind = "broker alone", "floor"
    about = "a bare producer's messages of the same rate, from its `send` to the same consumer"


@dataclass
class Steady(Scenario):
    """1,000 transactions a second of `rows_each` rows."""

    name: str
    title: str
    sink: str
    rows_each: int
    is_default: bool
    group = "Steady rate"
    metric = "latency"

    @property
    def programs(self):
        return (Cdc(), Debezium("latency"), RoundTrip())

    def prepare(self, place, options, programs):
        place.postgres.sql(data.table())
        place.postgres.sql("CREATE PUBLICATION bench FOR TABLE bench")
        # A broker that has just started is ten times as slow as it will be, which is nobody's latency.
        probe("round-trip", *place.address(), "--name", "warm_up", "--warm-up-s", 5, "--seconds", 5)

    def has_warm_up(self, options):
        return False

    def sample(self, place, options, program, number):
        name = slot_name(program, number)
        pace = ["--commits", 1000, "--rows", self.rows_each, "--warm-up-s", 3 if options.quick else 5,
                "--seconds", 5 if options.quick else 10]
        if isinstance(program, RoundTrip):
            return {"rows": None, "seconds": None, **probe("round-trip", *place.address(), "--name", name, *pace)}
        place.postgres.sql("TRUNCATE bench")
        program.prepare(place, name)
        run = program.start(place, name)
        try:
            if isinstance(program, Debezium):
                program.await_streaming(place, name, run)
            run.count_from_here()
            postgres = f"host=127.0.0.1 port={place.postgres.port} user=postgres dbname=postgres"
            found = probe("steady", *place.address(), "--name", program.stored_as(place, name), "--postgres", postgres, *pace)
            cpu_seconds, seconds = run.cpu_seconds() - run.cpu_before, run.seconds()
        finally:
            run.stop()
            place.postgres.drop_slot(name)
        if found["missing"]:
            raise Refused(f"{found['missing']} rows did not arrive")
        due = 1000 * self.rows_each
        if found["rows_per_second"] < 0.9 * due:
            raise Refused(f"{found['rows_per_second']:.0f} rows a second were committed, not {due}: the machine is too slow")
        return {**found, **run.used(), "seconds": None, "cpu_seconds": cpu_seconds, "cpu_share": cpu_seconds / seconds}


STEADIES = tuple(
    Steady(f"steady-{thousands}k-{sink}", f"{thousands},000 changes a second in 1,000 transactions, to {title}", sink,
           thousands, is_default=thousands == 1)
    for thousands in (1, 5, 20) for sink, title in (("kafka", "Kafka"), ("nats", "JetStream")))
