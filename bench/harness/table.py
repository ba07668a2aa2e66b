"""A run in the terminal."""

from harness import figures, goals, record

COLUMNS = {
    "rows_per_second": (("rows/s", "rows_per_second"), ("CPU-s per 1M", "cpu_per_million"),
                        ("server's", "server_cpu_per_million"), ("peak MB", "peak_mb")),
    "latency": (("p50 ms", "p50"), ("p99 ms", "p99"), ("p99.9 ms", "p999"), ("max ms", "max"), ("CPU", "cpu_share"),
                ("peak MB", "peak_mb")),
    "idle": (("CPU-s an hour", "cpu_seconds_per_hour"), ("MB", "peak_mb")),
    "start": (("seconds", "seconds"), ("peak MB", "peak_mb")),
}


def rows_of(result):
    """The names of the columns, and a line per program: its name and a cell each."""
    columns = COLUMNS[result["metric"]]
    lines = []
    for program in result["programs"]:
        found = [record.values(program["samples"], metric) for _, metric in columns]
        cells = [figures.plain(figures.median(values)) if values else "–" for values in found]
        if not program["samples"]:
            cells[0] = "no figures"
        elif len(found[0]) > 1:
            cells.append(f"{figures.spread(found[0]):.2f}")
        lines.append((program["name"], cells + ["–"] * (len(columns) + 1 - len(cells)), program["refused"]))
    return [name for name, _ in columns] + ["spread"], lines


def comparisons(result):
    """How the first program of ours stands beside each of the others, in what the scenario is about and in CPU."""
    main = {"latency": "p50", "start": "seconds", "idle": "cpu_seconds_per_hour"}.get(result["metric"], "rows_per_second")
    ours = next((program for program in result["programs"] if program["kind"] == "ours"), None)
    if ours is None:
        return []
    lines = []
    for other in result["programs"]:
        if other is ours or not other["samples"] or not ours["samples"]:
            continue
        parts = []
        for word, metric in (("speed" if main == "rows_per_second" else main, main), ("CPU", "cpu_per_million"), ("memory", "peak_mb")):
            pair = [record.values(program["samples"], metric) for program in (ours, other)]
            if all(pair):
                parts.append(f"{word} {figures.ratio(*pair)}")
        lines.append(f"{ours['name']} beside {other['name']}: " + "; ".join(parts))
    return lines


def show(run):
    for result in run["scenarios"]:
        print(f"\n{result['group']}: {result['title']}"
              + (f", {result['rows']:,} rows" if result["rows"] else "") + f", Postgres {result['version']}")
        columns, lines = rows_of(result)
        print(f"{'':26}" + "".join(f"{column:>14}" for column in columns))
        for name, cells, refused in lines:
            print(f"{name:26}" + "".join(f"{cell:>14}" for cell in cells))
            for why in sorted(set(refused)):
                print(f"{'':26}  ! {why}")
        for line in comparisons(result):
            print(f"  {line}")
    print(f"\nMedians; spread is greatest through least. A ratio is that of the medians, with the bounds that the samples "
          f"leave it;\nit is refused where either side's spread is beyond {figures.WIDEST_SPREAD} or has fewer than "
          f"{figures.FEWEST_SAMPLES} rounds.\n")
    for goal, measured, verdict in goals.judged(run):
        print(f"{goal.what:62} {goal.wanted():>10}   {measured:30} {verdict}")
