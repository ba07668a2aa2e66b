"""Samples to flame graphs."""

import collections
import html
import re
import subprocess
import sys


def fold(lines):
    """Samples by their stacks, outermost first, from what `perf script` prints: a paragraph a sample, innermost first."""
    stacks, stack, thread = collections.Counter(), [], None
    for line in lines:
        line = line.rstrip()
        if not line:
            if thread is not None:
                stacks[(thread, *reversed(stack))] += 1
            stack, thread = [], None
        elif line[0].isspace():
            stack.append(short(line.split(None, 1)[1] if " " in line.strip() else "?"))
        else:
            thread = line.strip()
    if thread is not None:
        stacks[(thread, *reversed(stack))] += 1
    return stacks


def fold_callgrind(path):
    """Instructions by function alone: callgrind tells no whole stacks."""
    printed = subprocess.run(["callgrind_annotate", "--threshold=100", path], check=True, stdout=subprocess.PIPE, text=True).stdout
    stacks = collections.Counter()
    for line in printed.splitlines():
        found = re.match(r"\s*([\d,]+) \([^)]*\)\s+\S*?:(.*?)(?: \[.*\])?$", line)
        if found:
            stacks[("instructions", short(found.group(2)))] += int(found.group(1).replace(",", ""))
    return stacks


def short(name):
    """Without hashes and offsets; of a path its crate and its last part."""
    name = re.sub(r"(?:::h[0-9a-f]{16})?(?:\+0x[0-9a-f]+)?$", "", name)
    return re.sub(r"\b([a-z_0-9]+)::(?:[a-z_0-9]+::)+(?=[A-Za-z_{])", r"\1::", name) or "?"


WIDTH, ROW_HEIGHT, LEAST_WIDTH = 1400, 17, 0.4


def draw(stacks, path):
    """An SVG: a box a function, as wide as its share, on top of its caller."""
    total = sum(stacks.values())
    if not total:
        sys.exit("no samples")
    boxes, deepest = [], 0
    tree = {}
    for stack, count in stacks.items():
        level = tree
        for name in stack:
            node = level.setdefault(name, [0, {}])
            node[0] += count
            level = node[1]

    def place(level, left, depth):
        nonlocal deepest
        for name, (count, inner) in sorted(level.items()):
            width = count / total * WIDTH
            if width >= LEAST_WIDTH:
                deepest = max(deepest, depth)
                boxes.append((name, left, depth, width, count))
                place(inner, left, depth + 1)
            left += width

    place(tree, 0.0, 0)
    height = (deepest + 2) * ROW_HEIGHT + 8
    with open(path, "w", encoding="utf-8") as file:
        file.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="monospace" font-size="11">\n'
                   f'<rect width="100%" height="100%" fill="#fff"/>\n')
        for name, left, depth, width, count in boxes:
            top = height - (depth + 1) * ROW_HEIGHT - 4
            text = html.escape(name[: max(0, int(width / 6.7))]) if width > 30 else ""
            file.write(f'<g><title>{html.escape(name)}: {count} of {total}, {100 * count / total:.1f} %</title>'
                       f'<rect x="{left:.1f}" y="{top}" width="{max(width - 0.3, 0.3):.1f}" height="{ROW_HEIGHT - 1}" rx="1" fill="{colour(name)}"/>'
                       f'<text x="{left + 2:.1f}" y="{top + 12}">{text}</text></g>\n')
        file.write("</svg>\n")
    own = collections.Counter()
    for stack, count in stacks.items():
        own[stack[-1]] += count
    for name, count in own.most_common(25):
        print(f"{100 * count / total:5.1f} %  {name}")
    print(path)


def colour(name):
    """Ours, the kernel's and C's, all others'."""
    if re.search(r"\b(?:decoder|event|wal_reader|cdc|sinks|checkpoint)::", name):
        return "#f2a65a"
    return "#d9e2b0" if "::" in name else "#b8c4d6"
