"""A run's figures into the documentation: between its marks, `<!-- NAME -->` and `<!-- /NAME -->`, nothing is written by hand."""

import os
import re
import shutil

from harness import figures, goals, plot, record, table
from harness.servers import REPOSITORY

PAGE = os.path.join(REPOSITORY, "docs", "performance.md")
README = os.path.join(REPOSITORY, "README.md")
IMAGES = os.path.join(REPOSITORY, "docs", "images")
# Which scenarios have their drawing shown; the first is README's too.
DRAWN = ("one-kafka", "one-null", "load-kafka", "steady-1k-kafka", "steady-1k-nats")
# A core that is mostly free before a scenario begins: beyond it the figures are those of a busy machine, and say so.
QUIET_LOAD = 1.0


def publish(folder, run):
    """The files that were written. A run that lacks a figure of the summary is refused."""
    parts = {"summary": summary(run), "goals": goals_table(run), "machine": machine(run), "figures": scenarios(run)}
    fill(PAGE, parts)
    fill(README, {"speed": readme(run)})
    drawings = [f"{name}.svg" for name in DRAWN if os.path.exists(os.path.join(folder, f"{name}.svg"))]
    for name in drawings:
        shutil.copyfile(os.path.join(folder, name), os.path.join(IMAGES, name))
    return [PAGE, README, *(os.path.join(IMAGES, name) for name in drawings)]


def fill(path, parts):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    for name, part in parts.items():
        text, found = re.subn(rf"(<!-- {name} -->\n).*?(\n<!-- /{name} -->)", lambda marks: marks[1] + part + marks[2], text, flags=re.S)
        if found != 1:
            raise SystemExit(f"{path} has no marks <!-- {name} --> and <!-- /{name} -->, or several")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def summary(run):
    one, small = ("one-null", "pg_recvlogical"), ("small-null", "pg_recvlogical")
    kafka, nats = "steady-1k-kafka", "steady-1k-nats"
    return "\n".join((
        f"- to Kafka, **{beside_debezium(run)}**;",
        f"- many small transactions to nowhere: **{times(run, *small, goals.SPEED)} times the speed of `pg_recvlogical` at "
        f"{share(run, *small, goals.CPU)} of its CPU**; one large one: {times(run, *one, goals.SPEED)} times at {share(run, *one, goals.CPU)};",
        f"- at 1,000 commits a second, **{ms(run, nats, 'cdc')} from COMMIT to a JetStream consumer** in the median and "
        f"{ms(run, kafka, 'cdc')} to Kafka's, where Debezium Server tuned for latency takes {ms(run, nats, 'Debezium Server')} and "
        f"{ms(run, kafka, 'Debezium Server')}, and the brokers alone {ms(run, nats, 'broker alone')} and {ms(run, kafka, 'broker alone')};",
        f"- **{start_ms(run)} ms from the program's start to the first event**; {figure(run, 'one-null', 'cdc', 'peak_mb'):.0f} MB of memory "
        f"into nothing, {figure(run, 'one-kafka', 'cdc', 'peak_mb'):.0f} MB into Kafka at full speed."))


def readme(run):
    return (f"To Kafka it reads and delivers {beside_debezium(run)}; its first event is out {start_ms(run)} ms after its start. "
            "(One transaction of a million rows, two cores that database, broker and program share.)")


def beside_debezium(run):
    kafka = ("one-kafka", "Debezium Server")
    return (f"{times(run, *kafka, goals.SPEED)} times the rows per second of Debezium Server tuned for throughput, at "
            f"{share(run, *kafka, goals.CPU)} of its CPU and {share(run, *kafka, goals.MEMORY)} of its memory")


def figure(run, scenario, program, metric):
    values = record.values(record.samples(run, scenario, program), metric)
    if not values:
        raise SystemExit(f"this run has no {metric} of {program} in {scenario}: run that too, with --out and the same folder")
    return figures.median(values)


def quotient(run, scenario, than, metric):
    return figure(run, scenario, "cdc", metric) / figure(run, scenario, than, metric)


def times(run, scenario, than, metric):
    value = quotient(run, scenario, than, metric)
    return f"{value:.0f}" if value >= 5 else f"{value:.1f}"


def share(run, scenario, than, metric):
    """As a part of the other's: 1/20, and 0.45 where that is no small part."""
    value = quotient(run, scenario, than, metric)
    return f"1/{1 / value:.0f}" if value < 0.2 else f"{value:.2f}"


def ms(run, scenario, program):
    return f"{figures.plain(figure(run, scenario, program, 'p50'))} ms"


def start_ms(run):
    return round(figure(run, "start", "cdc to a pipe", "seconds") * 1000)


def goals_table(run):
    lines = ["| what | goal | measured | |", "|---|---|---|---|"]
    for goal, measured, verdict in goals.judged(run):
        shown = f"**{verdict}**" if verdict.startswith("not") else verdict
        lines.append(f"| {signs(goal.what)} | {signs(goal.wanted())} | {signs(measured)} | {shown} |")
    return "\n".join([*lines, COUNTED])


# The one goal that no run measures.
COUNTED = "| allocations per row, decoded and encoded | 0 | 0, counted by a test ([profiling.md](profiling.md)) | reached |"


def signs(text):
    return text.replace(">=", "≥").replace("<=", "≤").replace(" x", " ×")


def machine(run):
    box, loads = run["machine"], [result["load_before"] for result in run["scenarios"]]
    words = (f"Taken on {run['began'][:10]} on {box['cores']} cores ({box['processor']}), {box['memory_gb']:.0f} GB, {box['system']}, "
             f"kernel {box['kernel']}: {'; '.join(run['versions'])}.")
    if max(loads) > QUIET_LOAD:
        words += (f" **The machine was not quiet**: other work went on beside it (load averages of {min(loads):.1f} to {max(loads):.1f} "
                  "before the scenarios began), so that figures are worse than they need be, and spreads wider.")
    return words


def scenarios(run):
    return "\n\n".join(scenario(result) for result in run["scenarios"])


def scenario(result):
    columns, lines = table.rows_of(result)
    heading = plot.heading(result)
    text = [f"### {heading}", ""]
    if result["name"] in DRAWN[1:]:
        text += [f"![{heading}](images/{result['name']}.svg)", ""]
    text += ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    text += [f"| {name} | " + " | ".join(cells) + " |" for name, cells, _ in lines]
    refused = [f"{name}: {why}" for name, _, reasons in lines for why in sorted(set(reasons))]
    return "\n".join(text + ([""] + [f"- {line}" for line in refused] if refused else []))
