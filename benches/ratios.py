#!/usr/bin/env python3
"""Measures examples/echo.rs beside the limit, a plain TCP echo: benches/ratios.py [ROW[,ROW...] [PAIRS]] | syscalls

Builds both and takes them in turn: the example, the limit, and the limit again, by benches/limit.rs; the server has the
first core, the load the last, and each run of a second a fresh process of each. A ratio is of two runs of one repetition.
Printed are the median of PAIRS of them (15) and their quartiles, the bar, and whether the row holds: it does where its
median is at the bar less what the limit differs from itself. All rows' medians go into docs/images/ratios.csv, from which
docs/images/plot.py draws; rows that are not measured keep what is there, and so do the other crates. Rows: e1 e16 e16k
e1000 e64k f1000 f5000 f1000k8, as docs/performance.md has them. Ends with 1 where one does not hold.

`syscalls` counts the system calls that either makes for a message in e1, e16 and f1000, by strace, and ends with 1 where
the example makes more of a kind. The machine should do nothing else meanwhile. Linux only.
"""

import argparse
import csv
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from bots import CORES, ROOT, executable, first_line, machine, on, raise_file_limit, stop

sys.path.insert(0, str(ROOT / "docs" / "images"))
# What the rows are meant to reach.
from plot import BARS  # noqa: E402

DATA = ROOT / "docs" / "images" / "ratios.csv"
ECHO = ROOT / "target" / "release" / "examples" / "echo"
HEAD = ["row", "server", "ratio", "low", "high"]
OURS, AGAIN = "evertick", "the limit again"
SERVERS = (OURS, "the limit", AGAIN)
PAIRS, SECONDS = 15, 1
# A line of the data's head that says how some rows were measured.
SERIES = re.compile(r"# Measured: ([\w ]+): (.*)")
# Over so much of its core the load may be what limits, and a ratio is nearer to 1 than the servers are.
BUSY = 0.97
# Kinds of system calls that a message may cost, by what strace calls them.
CALLS = {
    "reads": ("read", "readv", "recvfrom", "recvmsg"),
    "writes": ("write", "writev", "sendto", "sendmsg"),
    "waits": ("epoll_wait", "epoll_pwait", "epoll_pwait2"),
    "epoll_ctl": ("epoll_ctl",),
}
COUNTED = ("e1", "e16", "f1000")
# The cost of a message is the difference between runs of so many seconds: neither handshakes nor the end count.
LENGTHS = (1, 3)
# Of a message: how many of a kind are ready together is a matter of chance.
SLACK = 0.02


def start(limit, server, row, before=()):
    """A server for a row, and its address."""
    mode = "echo" if row.startswith("e") else "broadcast"
    address = "127.0.0.1:0"
    command = [ECHO, address, mode] if server == OURS else [limit, "serve", mode, address]
    process = subprocess.Popen([*before, *command], stdout=subprocess.PIPE, text=True, preexec_fn=on(CORES[0]))
    return process, re.search(r"[\d.]+:\d+", first_line(process))[0]


def load(limit, server, row, address, seconds=SECONDS):
    """Messages a second, messages in all with those before the measurement, and the load's share of its core."""
    command = [limit, "load", row, address, str(seconds), *([] if server == OURS else ["--raw"])]
    done = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=on(CORES[-1]))
    found = re.search(r": (\d+) messages/s, (\d+) in all, CPU of the load (\d+) %", done.stdout)
    if done.returncode != 0 or not found or not int(found[1]):
        sys.exit(f"ratios: {server} in {row}: {done.stderr or done.stdout}")
    return int(found[1]), int(found[2]), int(found[3]) / 100


def run(limit, server, row):
    """One run: messages a second, and the load's share of its core."""
    process, address = start(limit, server, row)
    try:
        speed, _, cpu = load(limit, server, row, address)
        return speed, cpu
    finally:
        stop(process)


def quartiles(values):
    return statistics.quantiles(values, n=4) if len(values) > 1 else values * 3


def measure(limit, row, pairs):
    """Ratios to the limit, and medians of messages a second and of the load's share of a core, each by the server."""
    found = {server: [] for server in SERVERS}
    for repetition in range(pairs):
        # Nobody is always the first.
        turn = repetition % len(SERVERS)
        for server in SERVERS[turn:] + SERVERS[:turn]:
            found[server].append(run(limit, server, row))
    limits = [messages for messages, _ in found["the limit"]]
    ratios = {
        server: [messages / least for (messages, _), least in zip(found[server], limits)] for server in (OURS, AGAIN)
    }
    speeds = {server: statistics.median(messages for messages, _ in runs) for server, runs in found.items()}
    cpu = {server: statistics.median(cpu for _, cpu in runs) for server, runs in found.items()}
    return ratios, speeds, cpu


def tell(row, ratios, speeds, cpu, bar):
    """Prints a row; returns whether it holds, and its lines for the data."""
    lines = []
    for server in (OURS, AGAIN):
        low, middle, high = quartiles(ratios[server])
        lines.append([row, server, f"{middle:.3f}", f"{low:.2f}", f"{high:.2f}"])
    ours, again = (statistics.median(ratios[server]) for server in (OURS, AGAIN))
    noise = abs(again - 1)
    holds = ours >= bar - noise
    told = "; ".join(f"{server} {ratio} ({low} to {high})" for _, server, ratio, low, high in lines)
    print(f"{row}: {told}; bar {bar} less {noise:.3f}: {'holds' if holds else 'MISSED'}")
    busy = ", ".join(f"{server} {speeds[server]:,.0f} messages/s, load {cpu[server]:.0%}" for server in SERVERS)
    print(f"    {busy}{'; the load is what limits' if min(cpu.values()) >= BUSY else ''}", flush=True)
    return holds, lines


def series(lines, measured, how):
    """Lines that say of each row how it was measured, those of earlier runs among them."""
    of_row = {row: found[2] for line in lines if (found := SERIES.match(line)) for row in found[1].split()}
    of_row |= dict.fromkeys(measured, how)
    rows = lambda how: " ".join(row for row in BARS if of_row.get(row) == how)
    return [f"# Measured: {rows(how)}: {how}" for how in dict.fromkeys(of_row.values())]


def write(rows, pairs, where):
    """Puts the rows into the data; what was not measured now stays as it is."""
    text = DATA.read_text().splitlines()
    kept = list(csv.reader(line for line in text if line and not line.startswith("#")))[1:]
    now = {(row, server) for row, server, *_ in rows}
    rows = rows + [line for line in kept if (line[0], line[1]) not in now]
    names = list(dict.fromkeys([OURS, AGAIN, *(line[1] for line in rows)]))
    rows.sort(key=lambda line: (list(BARS).index(line[0]), names.index(line[1])))
    head = [
        "# Written by benches/ratios.py: medians of pairs taken in turn, with their quartiles; server on one core, load on the",
        "# other. 1 is a plain TCP echo on the same loop; \"the limit again\" is that one measured a second time: the row's noise.",
        *series(text, {row for row, _ in now}, f"{pairs} pairs on {where}"),
        "# The other crates, which have no quartiles: an earlier series, not taken in turn with these; where it gave a span, the",
        "# middle.",
        ",".join(HEAD),
    ]
    DATA.write_text("\n".join(head + [",".join(line) for line in rows]) + "\n")


def traced(limit, server, row, seconds):
    """System calls by their kind, and messages, of one run of a server."""
    with tempfile.NamedTemporaryFile("r") as summary:
        # -D: the server is our own child, and is what we end.
        process, address = start(limit, server, row, ["strace", "-D", "-c", "-f", "-o", summary.name])
        try:
            _, messages, _ = load(limit, server, row, address, seconds)
        finally:
            stop(process)
        until, told = time.monotonic() + 10, ""
        while "total" not in told and time.monotonic() < until:
            time.sleep(0.05)
            summary.seek(0)
            told = summary.read()
    lines = [line.split() for line in told.splitlines()]
    counted = {words[-1]: int(words[3]) for words in lines if len(words) in (5, 6) and words[3].isdigit()}
    if not counted:
        sys.exit(f"ratios: strace has counted nothing of {server} in {row}")
    return {kind: sum(counted.get(name, 0) for name in names) for kind, names in CALLS.items()}, messages


def calls(limit, server, row):
    """kind -> how many system calls a message costs."""
    (once, few), (longer, many) = (traced(limit, server, row, seconds) for seconds in LENGTHS)
    return {kind: (longer[kind] - once[kind]) / (many - few) for kind in CALLS}


def count_calls(limit):
    """Prints the system calls of both side by side; returns whether the example makes no more than the limit."""
    if not shutil.which("strace"):
        sys.exit("ratios: there is no strace")
    print(f"| row | server | {' | '.join(CALLS)} |\n| --- | --- |{' ---: |' * len(CALLS)}")
    holds = True
    for row in COUNTED:
        both = {server: calls(limit, server, row) for server in SERVERS[:2]}
        for server, each in both.items():
            print(f"| {row} | {server} | {' | '.join(f'{each[kind]:.4f}' for kind in CALLS)} |", flush=True)
        ours, least = both.values()
        more = [kind for kind in CALLS if ours[kind] > least[kind] + SLACK]
        if more:
            holds = False
            print(f"ratios: {row}: the example makes more {' and '.join(more)} a message", file=sys.stderr)
    return holds


def compare(limit, rows, pairs):
    """Measures rows and writes them into the data; returns whether all hold."""
    where = machine()
    found = [tell(row, *measure(limit, row, pairs), BARS[row]) for row in rows]
    write([line for _, lines in found for line in lines], pairs, where)
    return all(holds for holds, _ in found)


def arguments():
    about, how = __doc__.split(": benches/ratios.py [ROW[,ROW...] [PAIRS]] | syscalls")
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="benches/ratios.py", description=about, epilog=how, formatter_class=form)
    parser.add_argument("rows", nargs="?", default=",".join(BARS), metavar="ROWS", help="with commas; or syscalls")
    parser.add_argument("pairs", nargs="?", type=int, default=PAIRS, metavar="PAIRS", help=f"repetitions ({PAIRS})")
    args = parser.parse_args()
    args.rows = args.rows.split(",")
    unknown = [row for row in args.rows if row not in BARS and args.rows != ["syscalls"]]
    if unknown or args.pairs < 1:
        parser.error(f"rows are {' '.join(BARS)}, pairs at least 1")
    return args


def main():
    args = arguments()
    raise_file_limit()
    machine()
    subprocess.run(["cargo", "build", "--quiet", "--release", "--example", "echo"], cwd=ROOT, check=True)
    limit = executable("limit")
    holds = count_calls(limit) if args.rows == ["syscalls"] else compare(limit, args.rows, args.pairs)
    sys.exit(0 if holds else 1)


if __name__ == "__main__":
    main()
