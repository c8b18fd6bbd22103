#!/usr/bin/env python3
"""Measures examples/echo.rs beside the limit, a plain TCP echo: ROWS with commas (all of them), and PAIRS of runs (15).

Both are built and taken in turn: the example, the limit, and the limit again, by benches/limit.rs; the server has the
first core, the load the last, and each run of a second a fresh process of each. A ratio is of two runs of one repetition.
A run during which somebody else took more than 6 % of either core is repeated, up to four times and for a minute a row;
how often that was, and how many runs were kept all the same, is told. Rows: e1 e16 e16k e1000 e64k f1000 f5000 f1000k8,
as docs/performance.md has them.

Printed are the median of the pairs and their quartiles, the bar, and a verdict. A row holds where its median is at the bar
less what the limit's median differs from itself. The spread of the limit against itself is that difference, or half of the
distance between its quartiles, whichever is more. Where the row is nearer to its bar than that, the verdict says so:
"holds within the noise", or "noise too large to say". Ends with 1 where a row does not hold.

All goes into docs/images/ratios.csv, from which docs/images/plot.py draws; what is not measured now stays as it is.
`--peers FILE` measures nothing and puts in what another load generator has measured in this machine: a line
row,server,ratio,low,high,pairs for each, the quartiles and the pairs empty where the ratio is a figure that was given and
not measured.

ROWS `syscalls` counts the system calls that either makes in e1, e16 and f1000, by strace: for a message, in f1000 for a
broadcast to all 1,000. Ends with 1 where the example makes more of a kind. The machine should do nothing else meanwhile.
Linux only.
"""

import csv
import pathlib
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time

from machine import CORES, ROOT, Parser, at_least, build, core_time, executable, first_line, give_up, hardware, machine, need, on
from machine import quiet, raise_file_limit, series, spent, stop

sys.path.insert(0, str(ROOT / "docs" / "images"))
# What the rows are meant to reach, and what the data say of how a line came about.
from plot import BARS, ELSEWHERE, GIVEN, OWN  # noqa: E402

DATA = ROOT / "docs" / "images" / "ratios.csv"
ECHO = ROOT / "target" / "release" / "examples" / "echo"
HEAD = ["row", "server", "ratio", "low", "high", "pairs", "measured"]
OURS, AGAIN = "evertick", "the limit again"
SERVERS = (OURS, "the limit", AGAIN)
PAIRS, SECONDS = 15, 1
# Over so much of its core the load may be what limits, and a ratio is nearer to 1 than the servers are.
BUSY = 0.97
# The share of either core that others may take during a run; a load that sleeps now and then costs its core more than itself.
OTHERS, WAKING = 0.06, 0.09
# How often a run is made at most, and the seconds that repeating and waiting for others may take in a row of load.
TRIES, PATIENCE = 4, 60
# Kinds of system calls that a message may cost, by what strace calls them.
CALLS = {
    "reads": ("read", "readv", "recvfrom", "recvmsg"),
    "writes": ("write", "writev", "sendto", "sendmsg"),
    "waits": ("epoll_wait", "epoll_pwait", "epoll_pwait2"),
    "epoll_ctl": ("epoll_ctl",),
}
# Row -> what its calls are counted for, how many messages of the load's that is, and how many calls more of a kind may be
# chance: of a broadcast one in ten, for there is one wait in each, and far fewer of them than of messages.
COUNTED = {"e1": ("message", 1, 0.02), "e16": ("message", 1, 0.02), "f1000": ("broadcast", 1000, 0.1)}
# The cost of a message is the difference between runs of so many seconds: neither handshakes nor the end count.
LENGTHS = (1, 5)


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
        give_up(f"{server} in {row}: {done.stderr or done.stdout}".strip())
    return int(found[1]), int(found[2]), int(found[3]) / 100


def run(limit, server, row):
    """One run: messages a second, the load's share of its core, and the most that others took of either core."""
    process, address = start(limit, server, row)
    try:
        cores = CORES[0], CORES[-1]
        loads = lambda: sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2]) * 1e6
        began, busy, ours = time.monotonic(), [core_time(core)[0] for core in cores], (spent(process.pid)[0], loads())
        speed, _, cpu = load(limit, server, row, address)
        taken = (spent(process.pid)[0] - ours[0], loads() - ours[1])
        others = [core_time(core)[0] - before - own for core, before, own in zip(cores, busy, taken)]
        microseconds = (time.monotonic() - began) * 1e6
        return speed, cpu, max(others[0] / microseconds, others[1] / microseconds - WAKING)
    finally:
        stop(process)


class Patience:
    """Repeats what others have disturbed, for so long and no longer."""

    def __init__(self):
        self.left, self.runs, self.repeated, self.kept = PATIENCE, 0, 0, 0

    def run(self, limit, server, row):
        self.runs += 1
        for attempt in range(TRIES):
            began = time.monotonic()
            speed, cpu, others = run(limit, server, row)
            if others <= OTHERS:
                return speed, cpu
            if attempt == TRIES - 1 or self.left <= 0:
                break
            self.repeated += 1
            quiet(min(10, self.left))
            self.left -= time.monotonic() - began
        self.kept += 1
        return speed, cpu

    def __str__(self):
        return f"{self.runs} runs, {self.repeated} repeated, {self.kept} kept although disturbed"


def quartiles(values):
    return statistics.quantiles(values, n=4) if len(values) > 1 else values * 3


def measure(limit, row, pairs, patience):
    """Ratios to the limit, and medians of messages a second and of the load's share of a core, each by the server."""
    found = {server: [] for server in SERVERS}
    for repetition in range(pairs):
        # Nobody is always the first.
        turn = repetition % len(SERVERS)
        for server in SERVERS[turn:] + SERVERS[:turn]:
            found[server].append(patience.run(limit, server, row))
    limits = [messages for messages, _ in found["the limit"]]
    ratios = {
        server: [messages / least for (messages, _), least in zip(found[server], limits)] for server in (OURS, AGAIN)
    }
    speeds = {server: statistics.median(messages for messages, _ in runs) for server, runs in found.items()}
    cpu = {server: statistics.median(cpu for _, cpu in runs) for server, runs in found.items()}
    return ratios, speeds, cpu


def verdict(ours, again, bar):
    """Whether a row holds, and what is to be said; `again` has the quartiles of the limit against itself."""
    low, middle, high = again
    noise = abs(middle - 1)
    spread = max(noise, (high - low) / 2)
    holds, is_clear = ours >= bar - noise, abs(ours - bar) >= spread
    words = {
        (True, True): "holds",
        (True, False): "holds within the noise",
        (False, False): "noise too large to say",
        (False, True): "MISSED",
    }
    return holds, f"bar {bar} less {noise:.3f}, spread {spread:.3f}: {words[holds, is_clear]}"


def tell(row, ratios, speeds, cpu, patience):
    """Prints a row; returns whether it holds, and its lines for the data."""
    lines = []
    for server in (OURS, AGAIN):
        low, middle, high = quartiles(ratios[server])
        lines.append([row, server, f"{middle:.3f}", f"{low:.3f}", f"{high:.3f}", str(len(ratios[server])), OWN])
    holds, said = verdict(statistics.median(ratios[OURS]), quartiles(ratios[AGAIN]), BARS[row])
    told = "; ".join(f"{server} {ratio} ({low} to {high})" for _, server, ratio, low, high, *_ in lines)
    print(f"{row}: {told}; {said}")
    busy = ", ".join(f"{server} {speeds[server]:,.0f} messages/s, load {cpu[server]:.0%}" for server in SERVERS)
    limits = "; the load is what limits" if min(cpu.values()) >= BUSY else ""
    print(f"    {busy}{limits}; {patience}", flush=True)
    return holds, lines


def write(rows, head):
    """Puts rows into the data, below the lines that `head` makes of those that stand above; all else stays as it is."""
    text = DATA.read_text().splitlines()
    kept = list(csv.reader(line for line in text if line and not line.startswith("#")))[1:]
    now = {(row, server) for row, server, *_ in rows}
    rows = rows + [line for line in kept if (line[0], line[1]) not in now]
    names = list(dict.fromkeys([OURS, AGAIN, *sorted(line[1] for line in rows)]))
    rows.sort(key=lambda line: (list(BARS).index(line[0]), names.index(line[1])))
    lines = [
        "# Written by benches/ratios.py: medians of pairs taken in turn, with their quartiles; server on one core, load on the",
        '# other. 1 is a plain TCP echo on the same loop; "the limit again" is that one measured a second time: the row\'s noise.',
        *head(text),
        "# The other crates are not taken in turn with these: what is measured elsewhere is beside a plain TCP echo too, by another",
        "# load generator; what is given was not measured at all and has no quartiles, and is the middle of the span that was given.",
        ",".join(HEAD),
    ]
    DATA.write_text("\n".join(lines + [",".join(line) for line in rows]) + "\n")


def peers(path):
    """Lines that another load generator has measured."""
    try:
        lines = list(csv.reader(line for line in path.read_text().splitlines() if line and not line.startswith("#")))
    except OSError as error:
        give_up(f"{path}: {error.strerror}: a file of lines row,server,ratio,low,high,pairs is needed")
    rows = []
    for line in lines:
        is_line = len(line) == 6 and line[0] in BARS and line[1] not in SERVERS
        numbers = line[2:] if is_line and any(line[3:]) else line[2:3]
        if not is_line or not all(re.fullmatch(r"\d+(\.\d+)?", number) for number in numbers):
            give_up(f"{path}: {','.join(line)}: not row,server,ratio,low,high,pairs of a known row and another server")
        rows.append([*line, ELSEWHERE if line[5] else GIVEN])
    if not rows:
        give_up(f"{path}: there is no line row,server,ratio,low,high,pairs")
    return rows


def put_peers(path):
    rows = peers(path)
    where = f"# Elsewhere: by another load generator, on {hardware()}"
    is_where = lambda line: line.startswith("# Elsewhere: ")
    are_measured = any(line[-1] == ELSEWHERE for line in rows)
    write(rows, lambda text: [
        *(line for line in text if line.startswith("# Measured: ")),
        *([where] if are_measured else filter(is_where, text)),
    ])  # fmt: skip


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
        give_up(f"strace has counted nothing of {server} in {row}")
    return {kind: sum(counted.get(name, 0) for name in names) for kind, names in CALLS.items()}, messages


def calls(limit, server, row):
    """kind -> how many system calls a message costs, or a broadcast; and how many of these it was reckoned from."""
    (once, few), (longer, many) = (traced(limit, server, row, seconds) for seconds in LENGTHS)
    counted = (many - few) / COUNTED[row][1]
    return {kind: (longer[kind] - once[kind]) / counted for kind in CALLS}, counted


def count_calls(limit):
    """Prints the system calls of both side by side; returns whether the example makes no more than the limit."""
    print(f"| row | server | for each | {' | '.join(CALLS)} |\n| --- | --- | --- |{' ---: |' * len(CALLS)}")
    holds = True
    for row, (unit, _, slack) in COUNTED.items():
        both = {server: calls(limit, server, row) for server in SERVERS[:2]}
        for server, (each, _) in both.items():
            print(f"| {row} | {server} | {unit} | {' | '.join(f'{each[kind]:.4f}' for kind in CALLS)} |", flush=True)
        (ours, counted), (least, _) = both.values()
        # Where a run ends is within one of them: that much of its calls is chance too.
        more = [kind for kind in CALLS if ours[kind] > least[kind] * (1 + 1 / counted) + slack]
        if more:
            holds = False
            print(f"ratios: {row}: the example makes more {' and '.join(more)} a {unit}", file=sys.stderr)
    return holds


def compare(limit, rows, pairs):
    """Measures rows and writes each into the data; returns whether all hold."""
    hold = []
    for row in rows:
        patience = Patience()
        holds, lines = tell(row, *measure(limit, row, pairs, patience), patience)
        write(lines, lambda text, how=f"on {machine()}; {patience}": [
            *series(text, [row], how, list(BARS)),
            *(line for line in text if line.startswith("# Elsewhere: ")),
        ])  # fmt: skip
        hold.append(holds)
    return all(hold)


def arguments():
    words = Parser(__doc__, "benches/ratios.py")
    words.add_argument("rows", nargs="?", default=",".join(BARS), metavar="ROWS", help="with commas; or syscalls")
    words.add_argument("pairs", nargs="?", type=at_least(1), default=PAIRS, metavar="PAIRS", help=f"repetitions ({PAIRS})")
    words.add_argument("--peers", type=pathlib.Path, metavar="FILE", help="what another load generator has measured")
    args = words.parse_args()
    args.rows = args.rows.split(",")
    unknown = [row for row in args.rows if row not in BARS and args.rows != ["syscalls"]]
    if unknown:
        words.error(f"there is no row {' or '.join(unknown)}: rows are {' '.join(BARS)}")
    return args


def main():
    args = arguments()
    if args.peers:
        return put_peers(args.peers)
    counts = args.rows == ["syscalls"]
    need("cargo", *(["strace"] if counts else []))
    raise_file_limit()
    machine()
    build("--example", "echo")
    limit = executable("limit")
    holds = count_calls(limit) if counts else compare(limit, args.rows, args.pairs)
    sys.exit(0 if holds else 1)


if __name__ == "__main__":
    main()
