"""What this program is to reach, and whether it does: ratios within one run, and figures that people can feel."""

from dataclasses import dataclass

from harness import figures, record


@dataclass(frozen=True)
class Goal:
    """`than` names whom it is compared with; without it the figure stands for itself."""

    what: str
    scenario: str
    program: str
    metric: str
    relation: str
    bound: float
    than: str | None = None
    than_metric: str | None = None
    unit: str = ""

    def wanted(self):
        bound = f"1/{1 / self.bound:.0f}" if self.bound < 0.1 and self.than else f"{self.bound:g}"
        return f"{self.relation} {bound}{' x' if self.than else self.unit}"


SPEED, CPU, MEMORY = "rows_per_second", "cpu_per_million", "peak_mb"


def beside(what, scenario, than, speed=None, cpu=None, memory=None, program="cdc"):
    """Up to three goals of one comparison."""
    wanted = (("speed", SPEED, ">=", speed), ("CPU", CPU, "<=", cpu), ("memory", MEMORY, "<=", memory))
    return [Goal(f"{what}: {word}", scenario, program, metric, relation, bound, than)
            for word, metric, relation, bound in wanted if bound is not None]


GOALS = [
    *beside("one transaction to null, against pg_recvlogical", "one-null", "pg_recvlogical", speed=1.4, cpu=0.4),
    *beside("small transactions to null, against pg_recvlogical", "small-null", "pg_recvlogical", speed=1.4, cpu=0.4),
    *beside("one transaction to null, against the server's decoding alone", "one-null", "server decoding", speed=0.8),
    *beside("the same with streaming and a spool", "one-null", "server decoding", speed=0.8, program="cdc streaming"),
    *beside("one transaction to null, against pg_walstream", "one-null", "pg_walstream", speed=1.3, cpu=0.5),
    *beside("one transaction to null, against pgwire-replication", "one-null", "pgwire-replication", speed=1.3, cpu=0.5),
    *beside("small transactions to null, against pg_walstream", "small-null", "pg_walstream", speed=1.3, cpu=0.5),
    *beside("small transactions to null, against pgwire-replication", "small-null", "pgwire-replication", speed=1.3, cpu=0.5),
    *beside("one transaction to Kafka, against Debezium Server", "one-kafka", "Debezium Server", speed=6, cpu=1 / 20,
            memory=1 / 15),
    *beside("one transaction to Kafka, against our own null sink", "one-kafka", "cdc null", speed=0.7),
    *beside("one transaction to Kafka, against a bare producer", "one-kafka", "librdkafka alone", cpu=2),
    *beside("one transaction to JetStream, against Debezium Server", "one-nats", "Debezium Server", speed=10),
    *beside("load to null, against psql \\copy", "load-null", "psql copy", speed=0.9),
    *beside("load to Kafka, against psql \\copy", "load-kafka", "psql copy", speed=0.6),
    *beside("load to Kafka, against Debezium Server", "load-kafka", "Debezium Server", speed=15),
    Goal("latency at 1,000 commits/s to JetStream, p50", "steady-1k-nats", "cdc", "p50", "<", 2, unit=" ms"),
    Goal("latency at 1,000 commits/s to Kafka, p50", "steady-1k-kafka", "cdc", "p50", "<", 5, unit=" ms"),
    Goal("memory, steady stream", "steady-1k-kafka", "cdc", MEMORY, "<=", 32, unit=" MB"),
    Goal("memory, transaction of 10M rows", "growth-rows", "10 x --rows", MEMORY, "<=", 64, unit=" MB"),
    Goal("memory, initial load", "load-kafka", "cdc", MEMORY, "<=", 64, unit=" MB"),
    *beside("MySQL: one transaction to Kafka, against Debezium Server", "mysql-one-kafka", "Debezium Server", speed=10),
    Goal("MySQL: memory, transaction of 10M rows", "mysql-10m-null", "cdc", MEMORY, "<=", 64, unit=" MB"),
    Goal("start to first event", "start", "cdc to a pipe", "seconds", "<", 0.1, unit=" s"),
]


def judged(run):
    """Every goal with what was measured and one of: reached, not reached, about there, no figure."""
    return [(goal, *judge(run, goal)) for goal in GOALS] + [judge_binary(run)]


def judge(run, goal):
    ours = record.values(record.samples(run, goal.scenario, goal.program), goal.metric)
    if not ours:
        return "not measured", "no figure"
    if goal.than is None:
        value = figures.median(ours)
        return f"{figures.plain(value)}{goal.unit}", verdict(goal, value, value, value)
    theirs = record.values(record.samples(run, goal.scenario, goal.than), goal.metric)
    if not theirs:
        return "not measured", "no figure"
    ratio = figures.ratio(ours, theirs)
    if ratio.refusal:
        return ratio.refusal, "no figure"
    return (f"{figures.plain(ratio.value)} x ({figures.plain(ratio.low)} to {figures.plain(ratio.high)})",
            verdict(goal, ratio.value, ratio.low, ratio.high))


def verdict(goal, value, low, high):
    """By the medians; `about there` where the samples leave it open."""
    is_floor = goal.relation == ">="
    best, worst = (high, low) if is_floor else (low, high)
    reaches = {">=": lambda x: x >= goal.bound, "<=": lambda x: x <= goal.bound, "<": lambda x: x < goal.bound}[goal.relation]
    if reaches(worst):
        return "reached"
    if not reaches(best):
        return "not reached"
    return "reached, within the spread" if reaches(value) else "not reached, within the spread"


def judge_binary(run):
    goal = Goal("size of the binary", "", "cdc", "", "<", 20, unit=" MB")
    value = run["binary_mb"]
    return goal, f"{figures.plain(value)}{goal.unit}", verdict(goal, value, value, value)
