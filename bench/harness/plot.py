"""One drawing per scenario: bars with the reach of their samples, or the curve of latencies."""

import math

from harness import figures, record
from harness.svg import Svg

WIDTH, MARGIN = 860, 20
NAME_WIDTH, BAR_HEIGHT, STEP, GAP = 160, 14, 28, 26

# What is drawn beside each other, and in which direction it is good.
PANELS = {
    "rows_per_second": (("rows per second", "rows_per_second"), ("CPU seconds per 1M rows", "cpu_per_million"),
                        ("peak memory, MB", "peak_mb")),
    "idle": (("CPU seconds in an hour", "cpu_seconds_per_hour"), ("memory, MB", "peak_mb")),
    "start": (("seconds to the first event", "seconds"), ("peak memory, MB", "peak_mb")),
}


def draw(result):
    """None where nothing was measured."""
    if not any(program["samples"] for program in result["programs"]):
        return None
    return curves(result) if result["metric"] == "latency" else bars(result)


def heading(result):
    rows = f", {result['rows']:,} rows" if result["rows"] else ""
    return f"{result['group']}: {result['title']}{rows}"


def bars(result):
    panels = PANELS[result["metric"]]
    programs = [program for program in result["programs"] if program["samples"]]
    svg = Svg(WIDTH, 78 + STEP * len(programs), heading(result))
    panel_width = (WIDTH - 2 * MARGIN - NAME_WIDTH - GAP * (len(panels) - 1)) / len(panels)
    for line, program in enumerate(programs):
        svg.text(MARGIN, top(line) + BAR_HEIGHT - 2, program["name"])
    for number, (title, metric) in enumerate(panels):
        x = MARGIN + NAME_WIDTH + number * (panel_width + GAP)
        panel(svg, x, panel_width, title, metric, programs)
    return svg


def panel(svg, x, width, title, metric, programs):
    svg.text(x, 52, title, "soft small")
    svg.line(x, 60, x, 60 + STEP * len(programs), "rule")
    measured = [(program, record.values(program["samples"], metric)) for program in programs]
    greatest = max((max(values) for _, values in measured if values), default=0)
    # Room for the figure after the longest bar.
    scale = (width - 52) / greatest if greatest > 0 else 0
    for line, (program, values) in enumerate(measured):
        y = top(line)
        if not values:
            svg.text(x + 6, y + BAR_HEIGHT - 3, "–", "soft small")
            continue
        median = figures.median(values)
        hint = f"{program['name']}: {figures.plain(median)} ({figures.plain(min(values))} to {figures.plain(max(values))})"
        svg.bar(x, y, median * scale, BAR_HEIGHT, program["kind"], hint)
        if len(values) > 1:
            middle = y + BAR_HEIGHT / 2
            svg.line(x + min(values) * scale, middle, x + max(values) * scale, middle, "whisker")
        svg.text(x + max(values) * scale + 6, y + BAR_HEIGHT - 3, short(median), "small")


def top(line):
    return 66 + STEP * line


# Where a curve's points stand: as far apart as their nines are.
def nines(share):
    return -math.log10(max(1 - share, 1e-4))


def curves(result):
    """Latency against how many are faster, both so that the slow few can be seen."""
    programs = [program for program in result["programs"] if program["samples"]]
    curves_ms = {program["name"]: median_curve(program["samples"]) for program in programs}
    drawn = [value for curve in curves_ms.values() for share, value in curve if 0.1 <= share <= 0.999]
    low, high = 10 ** math.floor(math.log10(max(min(drawn), 0.05))), 10 ** math.ceil(math.log10(max(drawn)))
    height, left, right, upper, lower = 346, MARGIN + 50, WIDTH - 190, 66, 300
    svg = Svg(WIDTH, height, heading(result))
    svg.text(MARGIN, 50, "milliseconds from COMMIT's answer to the consumer", "soft small")

    def place(share, value):
        x = left + nines(share) / nines(0.999) * (right - left)
        clamped = min(max(value, low), high)
        return x, lower - math.log10(clamped / low) / math.log10(high / low) * (lower - upper)

    tick = low
    while tick <= high * 1.001:
        y = place(0.5, tick)[1]
        svg.line(left, y, right, y, "rule")
        svg.text(left - 8, y + 4, f"{tick:g}", "soft small", "end")
        tick *= 10
    for share, label in ((0.5, "median"), (0.9, "90 %"), (0.99, "99 %"), (0.999, "99.9 %")):
        x = place(share, low)[0]
        svg.line(x, upper, x, lower, "rule")
        svg.text(x, lower + 18, label, "soft small", "middle")
    ends = []
    for program in programs:
        points = [place(share, value) for share, value in curves_ms[program["name"]] if 0.1 <= share <= 0.999]
        svg.curve(points, program["kind"])
        p50 = figures.median(record.values(program["samples"], "p50"))
        ends.append([points[-1][1], f"{program['name']}, p50 {figures.plain(p50)}", program["kind"]])
    ends.sort()
    for number, end in enumerate(ends):
        # Labels that would cover each other are moved down.
        if number and end[0] < ends[number - 1][0] + 16:
            end[0] = ends[number - 1][0] + 16
        svg.bar(right + 8, end[0] - 3, 8, 6, end[2], end[1])
        svg.text(right + 21, end[0] + 4, end[1], "small")
    return svg


def median_curve(samples):
    """Of the rounds' curves, point by point, in milliseconds."""
    shares = [share for share, _ in samples[0]["from_commit"]["curve"]]
    return [(share, figures.median([sample["from_commit"]["curve"][at][1] for sample in samples]) / 1000)
            for at, share in enumerate(shares)]


def short(value):
    if value >= 1e6:
        return f"{value / 1e6:.2f}M"
    if value >= 1e4:
        return f"{value / 1e3:.0f}k"
    return figures.plain(value)
