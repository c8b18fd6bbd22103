#!/usr/bin/env python3
"""Runs the benchmarks and writes their tables into benches/README.md, each with the commit that it is of.

Without names it runs all of them, five minutes on a machine that should do nothing else, and copies the counts of
benches/guard.txt, which `benches/guard.py --update` makes. Where the code is not what the commit has it refuses, for a table
is of a commit; `--dirty` writes all the same, and into each table that its changes are in no commit. Needs cargo.
"""

import json
import os
import re
import subprocess
import sys
import time

import guard
from machine import ROOT, Parser, commit, give_up, hardware, is_changed, need, output

PAGE = ROOT / "benches" / "README.md"
MEASURED = ROOT / "target" / "criterion"
BENCHES = ("codec", "packet", "broadcast", "tick", "growth")
# Half a second before and a second of measuring for each figure; the figure is the median.
QUICK = ("--warm-up-time", "0.5", "--measurement-time", "1", "--noplot")


def machine():
    return f"{hardware()}, {output('rustc', '--version').strip()}, commit {commit()}"


def bench(name, *args):
    """What a benchmark prints, run on one core. One that is over its bar is told of, and its table written all the same."""
    pin = ["taskset", "-c", str(max(os.sched_getaffinity(0)))]
    command = [*pin, "cargo", "bench", "--quiet", "--bench", name, "--", *args]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if "MISSED" in done.stdout:
        print(f"tables: {name} is over its bar", file=sys.stderr)
    elif done.returncode != 0:
        give_up(f"{' '.join(command)} has ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def scaled(nanoseconds):
    for unit, size in (("ms", 1e6), ("us", 1e3)):
        if nanoseconds >= size:
            return f"{nanoseconds / size:.3g} {unit}"
    return f"{nanoseconds:.3g} ns"


def rate(nanoseconds, throughput):
    """What a figure is for a unit of what was worked on."""
    if not throughput:
        return ""
    (kind, amount), = throughput.items()
    if kind.startswith("Bytes"):
        return f"{amount / nanoseconds:.2f} GB/s"
    return f"{scaled(nanoseconds / amount)} each" if amount > 1 else ""


def criterion(name):
    """A table of what a benchmark under criterion has measured."""
    began = time.time()
    bench(name, *QUICK)
    rows = []
    for path in MEASURED.rglob("new/estimates.json"):
        if path.stat().st_mtime >= began:
            told = json.loads((path.parent / "benchmark.json").read_text())
            took = json.loads(path.read_text())["median"]["point_estimate"]
            rows.append((path.stat().st_mtime, told["full_id"], took, told["throughput"]))
    lines = ["| what | median | |", "| --- | ---: | ---: |"]
    return "\n".join(lines + [f"| {what} | {scaled(took)} | {rate(took, each)} |" for _, what, took, each in sorted(rows)])


def counts():
    """The figures of the guard."""
    figures, made_with, _ = guard.read()
    lines = [f"Of the commit that has this page, which CI holds; {made_with}.", "", "| workload | instructions | allocations | a |", "| --- | ---: | ---: | --- |"]
    lines += [f"| {name} | {i:,.1f} | {a:.3f} | {unit} |" for name, (i, a, _, unit) in figures.items()]
    times = guard.growth(figures)
    lines += ["", f"Ten times the world with ten times the players costs {times:.2f} times the instructions."]
    return "\n".join(lines)


def measured(name):
    """A benchmark's tables, with the machine that they are from."""
    if name == "growth":
        tables = [bench(name).strip()]
    elif name == "codec":
        tables = [bench(name, "ratios").strip(), criterion(name)]
    else:
        tables = [criterion(name)]
    return "\n\n".join([f"On {machine()}.", *tables])


def put(page, mark, table):
    """The page with `table` between the marks."""
    marks = re.compile(rf"(<!-- {mark} -->\n).*?(\n<!-- end -->)", re.DOTALL)
    if not marks.search(page):
        give_up(f"{PAGE.name} has no place for {mark}: <!-- {mark} --> and <!-- end -->")
    return marks.sub(lambda found: found[1] + table + found[2], page)


def main():
    words = Parser(__doc__, "benches/tables.py")
    words.add_argument("names", nargs="*", metavar="NAME", help=f"{' '.join(BENCHES)} (all)")
    words.add_argument("--dirty", action="store_true", help="measure what is in no commit, and say so in each table")
    args = words.parse_args()
    unknown = set(args.names) - set(BENCHES)
    if unknown:
        words.error(f"there is no table {' or '.join(sorted(unknown))}: tables are {' '.join(BENCHES)}")
    need("cargo", "rustc", "taskset")
    if is_changed() and not args.dirty:
        give_up("the code has changes that are in no commit: commit them first, or --dirty")
    for name in args.names or BENCHES:
        output("cargo", "bench", "--quiet", "--bench", name, "--no-run")
    for name in args.names or BENCHES:
        print(f"{name}...", flush=True)
        PAGE.write_text(put(PAGE.read_text(), name, measured(name)))
    PAGE.write_text(put(PAGE.read_text(), "counts", counts()))


if __name__ == "__main__":
    main()
