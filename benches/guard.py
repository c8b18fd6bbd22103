#!/usr/bin/env python3
"""Holds what the work costs, in instructions and heap allocations, against the committed figures: of all, or of WORKLOADs.

No clock is read: valgrind counts the user instructions of benches/guard.rs, whose workloads follow from fixed seeds. Each
is run over one length and over two, and the difference is the cost of its steady state. A figure that is more than 5 %
above the one in benches/guard.txt is a failure, and so is one that is more than 5 % below: the better one is to be
committed, or the next change could give it back. Of allocations whole numbers are compared, all of the second half of a
run: there 5 % or one is let pass, whichever is more.

`--update` writes the file: with WORKLOADs named theirs, and the others' figures stay. It says what got dearer by more than
0.5 %, or by more than one allocation, and writes only with a reason for all of that, `--why "..."`, which stays in the file.
Needs cargo and valgrind.
"""

import concurrent.futures
import os
import platform
import re
import subprocess
import sys
import typing

from machine import ROOT, Parser, executable, give_up, need, output

FIGURES = ROOT / "benches" / "guard.txt"
TOLERANCE = 0.05
# What may get dearer without a reason.
UNASKED = 0.005
# Where next to none are made, one more or less decides nothing.
ALLOCATIONS = 1
# What a line begins with that says why something was let get dearer.
REASON = "# dearer: "
# Ten times the world with ten times the players may cost so many times the instructions.
GROWTH = ("world-10x", "world-1x", 10.5)
UPDATE = "benches/guard.py --update"


class Cost(typing.NamedTuple):
    """What a workload costs."""

    # For each unit; of the allocations a figure to read, not to compare.
    instructions: float
    allocations: float
    # All allocations of a run's second half.
    in_all: int
    unit: str


def features():
    """What of the processor the C library and simdutf8 choose their code by, and valgrind passes on."""
    flags = next((line.split() for line in open("/proc/cpuinfo") if line.startswith("flags")), [])
    return "+".join(flag for flag in ("ssse3", "sse4_2", "avx2", "bmi2", "erms", "fsrm") if flag in flags)


def toolchain():
    """What moves the figures without a change in the code."""
    versions = [output(program, "--version").strip() for program in ("rustc", "valgrind")]
    return ", ".join([*versions, platform.machine(), features(), "-".join(platform.libc_ver())])


def run(binary, name, lengths):
    """Instructions and allocations of one run."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", binary, name, str(lengths)]
    # Nothing else in the environment: its size would shift the stack, and with it what a copy costs. Of a long copy by
    # `rep movsb` every byte would count as an instruction.
    environment = {"PATH": os.environ["PATH"], "GLIBC_TUNABLES": "glibc.cpu.x86_rep_movsb_threshold=268435456"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    counted = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or not counted:
        give_up(f"{' '.join(command)} has ended with {done.returncode}:\n{done.stderr}")
    return int(counted[1]), int(done.stdout)


def measure(binary, names):
    """name -> its cost."""
    there = [line.split(" ", 2) for line in output(binary, "list").splitlines()]
    unknown = sorted(set(names) - {name for name, _, _ in there})
    if unknown:
        known = " ".join(name for name, _, _ in there)
        give_up(f"there is no workload {' or '.join(unknown)} (a reason stands behind --why); there are {known}")
    workloads = [each for each in there if not names or each[0] in names]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = {(name, n): pool.submit(run, binary, name, n) for name, _, _ in workloads for n in (1, 2)}
    figures = {}
    for name, units, unit in workloads:
        (once, _), (twice, allocations) = runs[name, 1].result(), runs[name, 2].result()
        each = round((twice - once) / int(units), 1), round(allocations / int(units), 3)
        figures[name] = Cost(*each, allocations, unit)
    return figures


def read():
    """The committed figures, the toolchain that they are from, and the lines that say why something got dearer."""
    figures, made_with, reasons = {}, "", []
    for line in FIGURES.read_text().splitlines():
        if line.startswith("# with "):
            made_with = line.removeprefix("# with ")
        elif line.startswith(REASON):
            reasons.append(line)
        elif line and not line.startswith("#"):
            name, instructions, allocations, in_all, unit = line.split(None, 4)
            figures[name] = Cost(float(instructions), float(allocations), int(in_all), unit)
    return figures, made_with, reasons


def write(figures, reasons):
    lines = [
        "# What the work costs: user instructions and heap allocations a unit, see benches/guard.rs.",
        f"# Written by {UPDATE}; CI fails where a figure is 5 % off. Allocations are compared by the column",
        "# in_all: how many a run's second half makes.",
        f"# with {toolchain()}",
        *reasons,
        f"# {'workload':<21} {'instructions':>14} {'allocations':>12} {'in_all':>7}  a",
    ]
    for name, cost in figures.items():
        each = f"{cost.instructions:>14.1f} {cost.allocations:>12.3f} {cost.in_all:>7}"
        lines.append(f"{name:<23} {each}  {cost.unit}")
    FIGURES.write_text("\n".join(lines) + "\n")


def changes(name, new, old, tolerance):
    """What of a workload's cost is off: (whether it got dearer, a line that says by how much)."""
    found = []
    for what, least in (("instructions", 0), ("in_all", ALLOCATIONS)):
        now, before = getattr(new, what), getattr(old, what)
        if abs(now - before) <= max(tolerance * before, least):
            continue
        change = f"{now / before - 1:+.1%}" if before else "none before"
        each = f"{what} a {new.unit}" if what == "instructions" else "allocations in all"
        found.append((now > before, f"{name}: {now:,} {each}, committed are {before:,} ({change})"))
    return found


def compare(now, committed, tolerance=TOLERANCE):
    """Two lists of lines: what got dearer, and what got cheaper."""
    both = sorted(now.keys() & committed.keys())
    found = [each for name in both for each in changes(name, now[name], committed[name], tolerance)]
    return [line for is_dearer, line in found if is_dearer], [line for is_dearer, line in found if not is_dearer]


def unknown(now, committed, names):
    """A line for each workload that is only here or only there; of those that were not asked for, none."""
    where = lambda name: "benches/guard.txt" if name in now else "benches/guard.rs"
    odd = [name for name in sorted(now.keys() ^ committed.keys()) if not names or name in names]
    return [f"{name}: {where(name)} has no such workload: {UPDATE}" for name in odd]


def update(now, why, names, order):
    """Writes the file; returns what forbids it."""
    committed, made_with, reasons = read() if FIGURES.exists() else ({}, "", [])
    if names and made_with != toolchain():
        return [f"the other figures are from {made_with}; this is {toolchain()}: {UPDATE} without names"]
    dearer, _ = compare(now, committed, UNASKED)
    for line in dearer:
        print(f"dearer: {line}")
    if dearer and not why:
        return [f'something got dearer: say why, or find what made it so: {UPDATE} --why "..."']
    if dearer:
        dearer_ones = ", ".join(dict.fromkeys(line.split(":")[0] for line in dearer))
        reasons.append(f"{REASON}{dearer_ones}: {' '.join(why.split())}")
    merged = now if not names else committed | now
    write({name: merged[name] for name in order if name in merged}, reasons)
    return []


def check(now, names):
    """What is off."""
    committed, made_with, _ = read()
    dearer, cheaper = compare(now, committed)
    wrong = unknown(now, committed, names)
    wrong += [f"{line}: find what made it dearer" for line in dearer]
    wrong += [f"{line}: commit the better figure: {UPDATE}" for line in cheaper]
    if wrong and made_with != toolchain():
        print(
            f"guard: the committed figures are from {made_with}; this is {toolchain()}. Where nothing in the code "
            f"explains a difference, take the figures of the commit before with this toolchain ({UPDATE}).",
            file=sys.stderr,
        )
    return wrong


def growth(figures):
    """How many times the instructions the larger world costs."""
    large, small, _ = GROWTH
    return figures[large].instructions / figures[small].instructions


def hold_growth(figures):
    """Prints how the cost grows, where both worlds were measured; returns what is off about it."""
    if not set(GROWTH[:2]) <= figures.keys():
        return []
    ratio = growth(figures)
    print(f"growth: ten times the world and its players cost {ratio:.2f} times the instructions")
    is_off = ratio > GROWTH[2]
    return [f"growth: {ratio:.2f} times the instructions for ten times the world, {GROWTH[2]} are allowed"] * is_off


def arguments():
    words = Parser(__doc__, "benches/guard.py")
    words.add_argument("workloads", nargs="*", metavar="WORKLOAD", help="only these (all)")
    words.add_argument("--update", action="store_true", help="write benches/guard.txt")
    words.add_argument("--why", default="", metavar="REASON", help="why something got dearer; with --update")
    args = words.parse_args()
    if args.why and not args.update:
        words.error("--why goes with --update")
    return args


def main():
    args = arguments()
    need("cargo", "rustc", "valgrind")
    binary = executable("guard")
    now = measure(binary, args.workloads)
    for name, cost in now.items():
        each = f"{cost.instructions:>14,.1f} instructions {cost.allocations:>10,.3f} allocations a {cost.unit}"
        print(f"{name:<23} {each}, {cost.in_all:,} in all")
    wrong = hold_growth(now)
    if args.update:
        order = [line.split(" ", 1)[0] for line in output(binary, "list").splitlines()]
        wrong += update(now, args.why, args.workloads, order)
    else:
        wrong += check(now, args.workloads)
    for line in wrong:
        print(f"guard: {line}", file=sys.stderr)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
