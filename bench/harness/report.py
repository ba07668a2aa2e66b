"""A run as one page and as drawings, both self-contained."""

import os
from html import escape

from harness import figures, goals, plot, table
from harness.svg import STYLE

PAGE_STYLE = """
:root { --paper: #fbfaf7; --raised: #ffffff; --ink: #1d1c1a; --soft: #6d6962; --rule: #e4e0d8; --good: #17695f;
  --warn: #95600a; color-scheme: light dark; }
@media (prefers-color-scheme: dark) { :root { --paper: #141516; --raised: #1b1c1e; --ink: #e9e6e0; --soft: #9a958d;
  --rule: #2e2f32; --good: #6cc7b8; --warn: #e0ac55; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font-variant-numeric: tabular-nums;
  font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif; }
main { max-width: 940px; margin: 0 auto; padding: 40px 24px 64px; }
h1 { font-size: 28px; letter-spacing: -.02em; margin: 0 0 8px; } h2 { font-size: 19px; margin: 44px 0 10px; }
p { max-width: 46em; } .soft { color: var(--soft); } svg.plot { max-width: 100%; height: auto; display: block; }
figure { margin: 18px 0 0; } .wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; margin: 8px 0 4px; }
th, td { text-align: right; padding: 5px 10px; border-bottom: 1px solid var(--rule); white-space: nowrap; }
th { font-weight: 600; color: var(--soft); } td:first-child, th:first-child { text-align: left; padding-left: 0; }
td.text { text-align: left; white-space: normal; } .goals td { white-space: normal; } .goals td:nth-child(n+2) { white-space: nowrap; }
.reached { color: var(--good); font-weight: 600; } .missed { color: var(--warn); font-weight: 600; }
ul { margin: 4px 0 0; padding-left: 18px; font-size: 13.5px; } details { margin-top: 6px; } summary { color: var(--soft); font-size: 13.5px; }
"""


def write(folder, run):
    """The page's path. Beside it one SVG per scenario."""
    sections = []
    for result in run["scenarios"]:
        drawing = plot.draw(result)
        if drawing is not None:
            with open(os.path.join(folder, f"{result['name']}.svg"), "w", encoding="utf-8") as file:
                file.write(drawing.drawn(is_alone=True))
        sections.append(section(result, drawing))
    path = os.path.join(folder, "report.html")
    with open(path, "w", encoding="utf-8") as file:
        file.write(page(run, sections))
    return path


def page(run, sections):
    machine = run["machine"]
    facts = (f"{machine['cores']} cores ({machine['processor']}), {machine['memory_gb']} GB, {machine['system']}, "
             f"kernel {machine['kernel']}. Began {run['began']}.")
    versions = "; ".join(run["versions"])
    return (f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
            f"<title>cdc: a benchmark run</title><style>{PAGE_STYLE}{STYLE}</style></head><body><main>"
            f"<h1>cdc beside the others</h1><p class=\"soft\">{escape(facts)}<br>{escape(versions)}</p>"
            f"<p>Green is this program, grey what nobody can be faster than, amber the others. "
            f"Medians; lines across the bars reach from the least sample to the greatest. Programs, servers and brokers "
            f"share the machine, so that ratios within a scenario say more than figures. A ratio is refused where either "
            f"side's greatest sample is more than {figures.WIDEST_SPREAD} times its least.</p>"
            f"<h2>Goals</h2>{goals_table(run)}{''.join(sections)}</main></body></html>\n")


def goals_table(run):
    lines = "".join(
        f"<tr><td>{escape(goal.what)}</td><td>{escape(goal.wanted())}</td><td>{escape(measured)}</td>"
        f'<td class="{verdict_class(verdict)}">{escape(verdict)}</td></tr>'
        for goal, measured, verdict in goals.judged(run))
    return f'<div class="wide"><table class="goals"><tr><th>what<th>goal<th>measured<th></tr>{lines}</table></div>'


def verdict_class(verdict):
    return "reached" if verdict.startswith("reached") else "missed" if verdict.startswith("not") else "soft"


def section(result, drawing):
    columns, lines = table.rows_of(result)
    head = "".join(f"<th>{escape(column)}" for column in ["", *columns])
    body = "".join(f"<tr><td>{escape(name)}</td>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
                   for name, cells, _ in lines)
    refused = "".join(f"<li>{escape(name)}: {escape(why)}</li>" for name, _, reasons in lines for why in sorted(set(reasons)))
    compared = "".join(f"<li>{escape(line)}</li>" for line in table.comparisons(result))
    about = "".join(f"<li>{escape(program['name'])}: {escape(program['about'])}</li>" for program in result["programs"])
    figure = f'<figure class="wide">{drawing.drawn(is_alone=False)}</figure>' if drawing else ""
    return (f"<h2>{escape(plot.heading(result))}</h2>{figure}<div class=\"wide\"><table><tr>{head}</tr>{body}</table></div>"
            f"<ul>{refused}{compared}</ul><details><summary>{result['rounds']} rounds, Postgres {escape(result['version'])}, "
            f"load average {result['load_before']:.1f} at the start; the programs</summary><ul>{about}</ul></details>")
