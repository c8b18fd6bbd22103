#!/usr/bin/env python3
"""Holds what the work costs, in instructions and heap allocations, against the committed figures: benches/guard.py

No clock is read: valgrind counts the user instructions of benches/guard.rs, whose workloads follow from fixed seeds. Each
is run over one length and over two, and the difference is the cost of its steady state. A figure that is more than 5 %
above the one in benches/guard.txt is a failure, and so is one that is more than 5 % below: the better one is to be
committed, or the next change could give it back. `--update` writes the file. Needs cargo and valgrind.
"""

import concurrent.futures
import os
import platform
import re
import subprocess
import sys

from bots import ROOT, executable

FIGURES = ROOT / "benches" / "guard.txt"
TOLERANCE = 0.05
# Ten times the world with ten times the players may cost so many times the instructions.
GROWTH = ("world-10x", "world-1x", 10.5)
UPDATE = "benches/guard.py --update"


def output(*command, **options):
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True, **options).stdout


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
        sys.exit(f"guard: {' '.join(command)} failed:\n{done.stderr}")
    return int(counted[1]), int(done.stdout)


def measure(binary):
    """name -> (instructions a unit, allocations a unit, unit)."""
    workloads = [line.split(" ", 2) for line in output(binary, "list").splitlines()]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = {(name, n): pool.submit(run, binary, name, n) for name, _, _ in workloads for n in (1, 2)}
    figures = {}
    for name, units, unit in workloads:
        (once, _), (twice, allocations) = runs[name, 1].result(), runs[name, 2].result()
        figures[name] = (round((twice - once) / int(units), 1), round(allocations / int(units), 3), unit)
    return figures


def read():
    """The committed figures, and the toolchain that they are from."""
    figures, made_with = {}, ""
    for line in FIGURES.read_text().splitlines():
        if line.startswith("# with "):
            made_with = line.removeprefix("# with ")
        elif line and not line.startswith("#"):
            name, instructions, allocations, unit = line.split(None, 3)
            figures[name] = (float(instructions), float(allocations), unit)
    return figures, made_with


def write(figures):
    lines = [
        "# What the work costs: user instructions and heap allocations a unit, see benches/guard.rs.",
        f"# Written by {UPDATE}; CI fails where a figure is 5 % off.",
        f"# with {toolchain()}",
        f"# {'workload':<21} {'instructions':>14} {'allocations':>12}  a",
    ]
    lines += [f"{name:<23} {i:>14.1f} {a:>12.3f}  {unit}" for name, (i, a, unit) in figures.items()]
    FIGURES.write_text("\n".join(lines) + "\n")


def compare(now, committed):
    """A line for each figure that is off."""
    wrong = []
    for name in sorted(now.keys() ^ committed.keys()):
        where = "benches/guard.txt" if name in now else "benches/guard.rs"
        wrong.append(f"{name}: {where} has no such workload: {UPDATE}")
    for name in now.keys() & committed.keys():
        for at, what in enumerate(("instructions", "allocations")):
            new, old = now[name][at], committed[name][at]
            # A thousandth of an allocation is one in some hundred ticks.
            if abs(new - old) <= max(TOLERANCE * old, 0.001):
                continue
            change = f"{new / old - 1:+.1%}" if old else "none before"
            advice = "find what made it dearer" if new > old else f"commit the better figure: {UPDATE}"
            form = ",.1f" if what == "instructions" else ",.3f"
            each = f"{new:{form}} {what} a {now[name][2]}, committed are {old:{form}} ({change})"
            wrong.append(f"{name}: {each}: {advice}")
    return sorted(wrong)


def growth(figures):
    """How many times the instructions the larger world costs."""
    large, small, _ = GROWTH
    return figures[large][0] / figures[small][0]


def main():
    if sys.argv[1:] not in ([], ["--update"]):
        sys.exit(f"usage: benches/guard.py [--update]\n\n{__doc__}")
    now = measure(executable("guard"))
    for name, (instructions, allocations, unit) in now.items():
        print(f"{name:<23} {instructions:>14,.1f} instructions {allocations:>10,.3f} allocations a {unit}")
    ratio = growth(now)
    print(f"growth: ten times the world and its players cost {ratio:.2f} times the instructions")
    wrong = []
    if ratio > GROWTH[2]:
        wrong.append(f"growth: {ratio:.2f} times the instructions for ten times the world, {GROWTH[2]} are allowed")
    if sys.argv[1:] == ["--update"]:
        write(now)
    else:
        committed, made_with = read()
        wrong += compare(now, committed)
        if wrong and made_with != toolchain():
            print(
                f"guard: the committed figures are from {made_with}; this is {toolchain()}. Where nothing in the code "
                f"explains a difference, take the figures of the commit before with this toolchain ({UPDATE}).",
                file=sys.stderr,
            )
    for line in wrong:
        print(f"guard: {line}", file=sys.stderr)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
