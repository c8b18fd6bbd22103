#!/usr/bin/env python3
"""Draws the plots of docs/performance.md and writes its tables and what it says of them, all from the data beside this file.

bots.csv and ratios.csv are what was measured; their lines that begin with # say how. `--check` changes nothing and fails
where something is not what the data say. Needs nothing but Python.
"""

import argparse
import csv
import math
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
PAGE = HERE.parent / "performance.md"
WIDTH = 760
# A figure is read in a browser that may be light or dark; nothing but the colours differs.
STYLE = """<style>
  text { font: 12px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600; font-size: 14px }
  .end { text-anchor: end } .middle { text-anchor: middle }
  .bar { stroke: #cf222e; stroke-width: 1.5; stroke-dasharray: 2 3 } .grid { stroke: #d1d9e0; stroke-width: 1 } .limit { stroke: #1f2328; stroke-width: 1.5; stroke-dasharray: 5 3 }
  .line { fill: none; stroke-width: 2 } .s0 { stroke: #0969da; fill: #0969da } .s1 { stroke: #8c959f; fill: #8c959f }
  .s2 { stroke: #bc4c00; fill: #bc4c00 } .s3 { stroke: #8250df; fill: #8250df } .s4 { stroke: #1a7f37; fill: #1a7f37 }
  path.line { fill: none } .open { fill-opacity: 0 } .given { fill-opacity: 0.3 } .whisker { stroke: #1f2328; stroke-width: 1 } .missing { fill: #59636e }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .bar { stroke: #ff7b72 } .grid { stroke: #3d444d } .limit { stroke: #e6edf3 }
    .whisker { stroke: #e6edf3 } .missing { fill: #9198a1 }
    .s0 { stroke: #58a6ff; fill: #58a6ff } .s1 { stroke: #6e7681; fill: #6e7681 } .s2 { stroke: #f0883e; fill: #f0883e }
    .s3 { stroke: #bc8cff; fill: #bc8cff } .s4 { stroke: #3fb950; fill: #3fb950 } path.line { fill: none }
  }
</style>"""


def data(name):
    """The rows of a data file, and its head."""
    lines = [line for line in (HERE / name).read_text().splitlines() if line and not line.startswith("#")]
    rows = list(csv.DictReader(lines))
    return rows, lines[0].split(",")


def document(height, label, parts):
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}">'
    return "\n".join([head, STYLE, *parts, "</svg>"]) + "\n"


def text(x, y, what, kind=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}">{what}</text>'


def line(x1, y1, x2, y2, kind):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def steps(most, count=5):
    """Round numbers from 0 to at least `most`."""
    size = next(s * 10**e for e in range(-3, 7) for s in (1, 2, 5) if s * 10**e * count >= most)
    return [size * n for n in range(count + 1) if size * (n - 1) < most]


class Panel:
    """One plot of lines over the number of players."""

    def __init__(self, left, top, width, height, title, most_x, ys, scale=float):
        self.left, self.top, self.width, self.height = left, top, width, height
        self.xs, self.ys, self.scale = steps(most_x), ys, scale
        self.named = 0
        self.parts = [text(left - 34, top - 12, title, "title")]
        for y in self.ys:
            self.parts.append(line(left, self.y(y), left + width, self.y(y), "grid"))
            self.parts.append(text(left - 6, self.y(y) + 4, f"{y:g}", "end"))
        # Every second one, and the last among them.
        for x in self.xs[::-2]:
            self.parts.append(text(self.x(x), top + height + 18, f"{x:,g}", "middle"))
        self.parts.append(text(left + width / 2, top + height + 36, "players", "middle"))

    def x(self, value):
        return self.left + self.width * value / self.xs[-1]

    def y(self, value):
        return self.top + self.height * (1 - self.scale(value) / self.scale(self.ys[-1]))

    def path(self, kind, points):
        places = " L".join(f"{self.x(x):.1f} {self.y(y):.1f}" for x, y in points)
        self.parts.append(f'<path d="M{places}" class="{kind}"/>')

    def series(self, at, name, points, hollow=()):
        """A line through the points; those over the players of `hollow` are marked as hollow."""
        self.path(f"line s{at}", points)
        for x, y in points:
            kind = f"s{at} open" if x in hollow else f"s{at}"
            self.parts.append(f'<circle cx="{self.x(x):.1f}" cy="{self.y(y):.1f}" r="3.5" class="{kind}"/>')
        self.name(f'<tspan class="s{at}">●</tspan> {name}')

    def name(self, what):
        self.named += 1
        self.parts.append(text(self.left + 10, self.top + 16 * self.named, what))

    def bar(self, points, name):
        """What is meant not to be passed."""
        self.path("line bar", points)
        self.named += 1
        y = self.top + 16 * self.named
        self.parts.append(line(self.left + 9, y - 4, self.left + 21, y - 4, "bar"))
        self.parts.append(text(self.left + 26, y, name))

    def level(self, value):
        """Points of a bar that is the same for all."""
        return [(0, value), (self.xs[-1], value)]


# What is meant to be reached: a share of the limit's throughput, and milliseconds of a tick's work.
BARS = {"e1": 0.97, "e16": 0.9, "e16k": 0.9, "e1000": 0.97, "e64k": 0.9, "f1000": 0.95, "f5000": 0.95, "f1000k8": 0.95}
TICK_BAR_MS = 10
# Deliveries of a broadcast to 5,000.
CPU_BAR = 1.4
# Late ticks of a hundred, and where the axis of them has its lines.
LATE_BAR = 1
LATE = (0, 1, 5, 10, 25, 50, 100)
# How a line of ratios.csv came about: measured by benches/ratios.py, by another load generator, or not at all.
OWN, ELSEWHERE, GIVEN = "here", "elsewhere", "given"


def players():
    """The tick's and its writing's 99th percentile, the CPU for a player and tick, and the share of late ticks."""
    rows, _ = data("bots.csv")
    most = max(int(row["players"]) for row in rows)
    taken = lambda column, scale: [(int(row["players"]), float(row[column]) / scale) for row in rows if row[column]]
    ticks, flushes, cpu = taken("tick_p99_us", 1000), taken("flush_p99_us", 1000), taken("cpu_us", 1)
    user, floor, deliveries = taken("user_us", 1), taken("floor_us", 1), taken("delivery_us", 1 / CPU_BAR)
    top = lambda *series: max(y for points in series for _, y in points)
    full = [int(row["players"]) for row in rows if not row["of_delivery"]]
    left = Panel(46, 44, 182, 220, "99th percentile of a tick, ms", most, steps(top(ticks, flushes) * 1.3))
    left.series(0, "the tick's work", ticks)
    left.series(1, "its writing", flushes)
    left.bar(left.level(TICK_BAR_MS), "bar for its work")
    middle = Panel(302, 44, 182, 220, "CPU for a player and tick, µs", most, steps(top(cpu) * 1.9))
    middle.series(0, "all", cpu, full)
    middle.series(1, "in user space", user, full)
    middle.series(3, "the same bytes alone", floor, full)
    if deliveries:
        middle.bar(deliveries, f"{CPU_BAR} deliveries")
    if full:
        middle.name("○ without a ratio")
    # By the root: what is meant is at the axis' foot.
    right = Panel(558, 44, 178, 220, "late ticks of a hundred", most, LATE, math.sqrt)
    right.series(2, "late", [(int(row["players"]), late(row)) for row in rows])
    right.bar(right.level(LATE_BAR), f"bar: {LATE_BAR} in a hundred")
    label = "Players against the tick's 99th percentile, against server CPU for a player and tick, and against late ticks"
    return document(310, label, left.parts + middle.parts + right.parts)


def late(row):
    """Late ticks of a hundred; one that was late twice over counts once."""
    return min(100, 100 * int(row["overruns"]) / int(row["ticks"]))


def whisker(x, row, y):
    """From the lower quartile to the upper, where there are any."""
    if not row["low"]:
        return []
    low, high = y(float(row["low"])), y(float(row["high"]))
    return [line(x, low, x, high, "whisker"), *(line(x - 3, end, x + 3, end, "whisker") for end in (low, high))]


def key(x, y):
    """What the marks of the ratios mean that are no bars."""
    return [
        line(x, y - 4, x + 14, y - 4, "bar"),
        text(x + 19, y, "meant"),
        line(x + 67, y - 11, x + 67, y + 1, "whisker"),
        text(x + 74, y, "quartiles"),
        text(x + 130, y, '<tspan class="s2 given">■</tspan> given'),
        text(x + 186, y, "×", "missing"),
        text(x + 198, y, "neither"),
    ]


def ratios():
    """A group of bars for each row of load, a bar for each server; 1 is the plain TCP echo."""
    rows, _ = data("ratios.csv")
    groups = list(dict.fromkeys(row["row"] for row in rows))
    servers = list(dict.fromkeys(row["server"] for row in rows))
    left, top, width, height = 46, 64, WIDTH - 60, 220
    most = steps(max(1.0, *(float(row["high"] or row["ratio"]) for row in rows)))[-1]
    y = lambda value: top + height * (1 - value / most)
    parts = [text(12, 20, "Throughput as a share of a plain TCP echo's, one core", "title")]
    for at, server in enumerate(servers):
        parts.append(text(12 + 122 * at, 42, f'<tspan class="s{at}">■</tspan> {server}'))
    parts += key(20 + 122 * len(servers), 42)
    for value in steps(most):
        parts.append(line(left, y(value), left + width, y(value), "grid"))
        parts.append(text(left - 6, y(value) + 4, f"{value:.1f}", "end"))
    space = width / len(groups)
    bar = space * 0.8 / len(servers)
    for number, group in enumerate(groups):
        start = left + space * (number + 0.1)
        parts.append(text(left + space * (number + 0.5), top + height + 18, group, "middle"))
        measured = {row["server"]: row for row in rows if row["row"] == group}
        for at, server in enumerate(servers):
            x = start + bar * at
            if server not in measured:
                parts.append(text(x + bar / 2, y(0) - 4, "×", "middle missing"))
                continue
            value = float(measured[server]["ratio"])
            pale = " given" if measured[server]["measured"] == GIVEN else ""
            size = f'width="{bar - 1:.1f}" height="{height * value / most:.1f}"'
            parts.append(f'<rect x="{x:.1f}" y="{y(value):.1f}" {size} class="s{at}{pale}"/>')
            parts += whisker(x + (bar - 1) / 2, measured[server], y)
        parts.append(line(left + space * number, y(BARS[group]), left + space * (number + 1), y(BARS[group]), "bar"))
    parts.append(line(left, y(1), left + width, y(1), "limit"))
    return document(318, "Throughput of several servers as a share of a plain TCP echo's", parts)


def table(name):
    """A data file as Markdown, cell by cell."""
    rows, head = data(name)
    line_of = lambda cells: f"| {' | '.join(cells)} |"
    rule = ["---:" if all(re.fullmatch(r"[\d.]*", row[column]) for row in rows) else "---" for column in head]
    return "\n".join([line_of(head), line_of(rule), *(line_of([row[column] for column in head]) for row in rows)])


def span(values):
    """From the least to the most."""
    low, high = min(values), max(values)
    return f"{low:.2f}" if low == high else f"{low:.2f} to {high:.2f}"


def said_of_players():
    """What the rows come to in which the server's core was not full."""
    rows, _ = data("bots.csv")
    open_rows = [row for row in rows if row["of_delivery"]]
    if not open_rows:
        return "No row of these says what a player costs in deliveries: none was measured beside one with its core not full."
    floors = [float(row["of_floor"]) for row in open_rows if row["of_floor"]]
    times = [float(row["of_delivery"]) for row in open_rows]
    counts = " ".join(f"{int(row['players']):,}" for row in open_rows)
    beside = f"{span(floors)} times the floor and " if floors else ""
    verdict = "which is reached" if max(times) <= CPU_BAR else "which is not reached"
    return (
        f"A player and tick costs {beside}{span(times)} deliveries of a broadcast ({CPU_BAR} are meant to be the most, {verdict});\n"
        f"of rows whose core was not full, and which merged no batches: {counts} players."
    )


def said_of_late():
    """How many players are carried how well."""
    rows, _ = data("bots.csv")
    never = [int(row["players"]) for row in rows if row["overruns"] == "0"]
    seldom = [int(row["players"]) for row in rows if late(row) <= LATE_BAR]
    least = min(int(row["players"]) for row in rows)
    without = f"{max(never):,} players without a late tick" if never else f"not even {least:,} players without a late tick"
    few = f"{max(seldom):,} with at most {LATE_BAR} in a hundred late" if seldom else f"none with {LATE_BAR} in a hundred late"
    each = "; ".join(f"{int(row['players']):,}: {row['overruns']} of {row['ticks']}" for row in rows)
    carried = without if never and seldom and max(seldom) == max(never) else f"{without}, and {few}"
    return f"The core carried {carried}. Late ticks by players: {each}."


def said_of_peers():
    """Which lines of the ratios were not measured like the others."""
    rows, _ = data("ratios.csv")
    named = lambda how: ", ".join(dict.fromkeys(row["server"] for row in rows if row["measured"] == how))
    told = [f"Lines that say \"{OWN}\" are measured by `benches/ratios.py`."]
    if elsewhere := named(ELSEWHERE):
        told.append(
            f"Those that say \"{ELSEWHERE}\" ({elsewhere}) are measured in the same machine by another load generator,\n"
            "beside a plain TCP echo of its own."
        )
    if given := named(GIVEN):
        told.append(
            f"Those that say \"{GIVEN}\" ({given}) are **not measured by this project**: figures that it was given, drawn\n"
            "pale, the middle where they were a span."
        )
    return "\n".join(told)


def page():
    """The page, with what stands between its marks written anew."""
    written = PAGE.read_text()
    parts = {
        "bots.csv": table("bots.csv"),
        "ratios.csv": table("ratios.csv"),
        "of players": said_of_players(),
        "of late ticks": said_of_late(),
        "of peers": said_of_peers(),
    }
    for name, part in parts.items():
        marks = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(\n<!-- end -->)", re.DOTALL)
        if not marks.search(written):
            give_up(f"{PAGE.name} has no place for it: put in <!-- {name} --> and <!-- end -->")
        written = marks.sub(lambda found, part=part: found[1] + part + found[2], written)
    return written


def give_up(message):
    print(f"plot: {message}", file=sys.stderr)
    sys.exit(2)


def main():
    form = argparse.RawDescriptionHelpFormatter
    words = argparse.ArgumentParser(prog="docs/images/plot.py", description=__doc__, formatter_class=form)
    words.error = lambda message: give_up(f"{message} (--help says what it takes)")
    words.add_argument("--check", action="store_true", help="only say whether all is what the data say")
    is_check = words.parse_args().check
    stale = []
    for path, made in ((HERE / "players.svg", players()), (HERE / "ratios.svg", ratios()), (PAGE, page())):
        if not is_check:
            path.write_text(made)
        elif not path.exists() or path.read_text() != made:
            stale.append(path.name)
    if stale:
        sys.exit(f"plot: {', '.join(stale)}: not what the data say: docs/images/plot.py")


if __name__ == "__main__":
    main()
