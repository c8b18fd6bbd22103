#!/usr/bin/env python3
"""Runs the benchmarks and writes their tables into benches/README.md: benches/tables.py [codec|packet|broadcast|tick|growth]...

Without names it runs all of them, five minutes on a machine that should do nothing else, and copies the counts of
benches/guard.txt, which `benches/guard.py --update` makes. Needs cargo.
"""

import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import time

import guard
from bots import commit

ROOT = guard.ROOT
PAGE = ROOT / "benches" / "README.md"
MEASURED = ROOT / "target" / "criterion"
BENCHES = ("codec", "packet", "broadcast", "tick", "growth")
# Half a second before and a second of measuring for each figure; the figure is the median.
QUICK = ("--warm-up-time", "0.5", "--measurement-time", "1", "--noplot")


def machine():
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    rustc = guard.output("rustc", "--version").strip()
    name = cpu[1] if cpu else platform.machine()
    return f"{name}, {os.cpu_count()} cores, Linux {platform.release()}, {rustc}, commit {commit()}"


def bench(name, *args):
    """What a benchmark prints, run on one core. One that is over its bar is told of, and its table written all the same."""
    pin = ["taskset", "-c", str(max(os.sched_getaffinity(0)))]
    command = [*pin, "cargo", "bench", "--quiet", "--bench", name, "--", *args]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if "MISSED" in done.stdout:
        print(f"tables: {name} is over its bar", file=sys.stderr)
    elif done.returncode != 0:
        sys.exit(f"tables: {' '.join(command)} failed:\n{done.stderr}")
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
    lines = [f"{made_with}.", "", "| workload | instructions | allocations | a |", "| --- | ---: | ---: | --- |"]
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
        sys.exit(f"tables: {PAGE.name} has no place for {mark}: <!-- {mark} --> and <!-- end -->")
    return marks.sub(lambda found: found[1] + table + found[2], page)


def main():
    names = sys.argv[1:] or BENCHES
    if not set(names) <= set(BENCHES):
        sys.exit(f"usage: benches/tables.py [{'|'.join(BENCHES)}]...\n\n{__doc__}")
    # Of the commit as it is now: the page that is written makes it dirty.
    commit()
    for name in names:
        guard.output("cargo", "bench", "--quiet", "--bench", name, "--no-run")
    for name in names:
        print(f"{name}...", flush=True)
        PAGE.write_text(put(PAGE.read_text(), name, measured(name)))
    PAGE.write_text(put(PAGE.read_text(), "counts", counts()))


if __name__ == "__main__":
    main()
