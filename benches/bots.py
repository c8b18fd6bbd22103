#!/usr/bin/env python3
"""Loads the built-in world with more and more bots and writes docs/images/bots.csv, whose other rows stay as they are.

The server has the first core and the bots the last, both from the release build. What is measured begins some seconds
after the last bot has joined, and lasts SECONDS (60: the minute over which the server reckons its percentiles). CPU is the
server's own, as the system counts it, for each player and tick. Right after it two programs are measured beside which it
stands: its floor, benches/floor.rs, which carries as many batches of the same size and as many messages and does nothing
else, and benches/limit.rs in its row f5000, of which one delivery is taken. Both ratios are left empty where the row says
nothing about the server's cost: where its core was full (idle for less than 3 % of the time), or more than 3 % of the ticks were
late and batches fewer than 0.97 for each player and tick, for what is late goes into one batch with what comes next. (Without
late ticks they are fewer where few play: who sees nobody has nothing to be told.) All else is what `/api/status` and the bots'
report say. The machine should do nothing else meanwhile. Linux only.
"""

import json
import pathlib
import subprocess
import tempfile
import time

from machine import CORES, PROGRAM, ROOT, Parser, at_least, build, core_time, executable, first_line, give_up, machine, on
from machine import raise_file_limit, series, spent, status, stop

DATA = ROOT / "docs" / "images" / "bots.csv"
COUNTS = (500, 1000, 2000, 4000, 5000)
HEAD = (
    "players,encoding,cpu_us,user_us,floor_us,of_floor,delivery_us,of_delivery,core_idle,batches_per_tick,tick_p99_us,"
    "flush_p99_us,overruns,ticks,latency_p99_us,resident_mib,bots_cpu,failed"
)
# Seconds between the last bot's joining and the first figure, and between the last figure and the bots' leaving.
SETTLING, LEAVING = 5, 2
# The floor and a delivery are measured for so long.
FLOOR_SECONDS, DELIVERY_SECONDS = 20, 3
TICKS_A_SECOND = 20
# A row with less of the first says nothing about what a player costs, nor one with less of the second, by late ticks.
LEAST_IDLE, LEAST_BATCHES, MOST_LATE = 0.03, 0.97, 0.03


def serve(folder, count):
    """A server with room for so many, and its address."""
    flags = ["--listen", "127.0.0.1:0", "--data-dir", folder, "--spawn", "spread", "--connect-rate", "0"]
    flags += ["--max-connections", str(count + 100), "--max-connections-per-ip", "0", "--max-players", str(count)]
    server = subprocess.Popen(
        [PROGRAM, *flags], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        preexec_fn=on(CORES[0]),
    )  # fmt: skip
    return server, first_line(server).split()[-1].removeprefix("http://")


def told(load):
    """What a load says last, which must have ended well."""
    last = load.communicate()[0]
    if load.returncode != 0:
        give_up(f"{' '.join(map(str, load.args))} ended with {load.returncode}")
    return last


def beside(server_command, load_command, measure):
    """What `measure(server, load)` finds once all of a load's connections are there."""
    server = subprocess.Popen(server_command, stdout=subprocess.PIPE, text=True, preexec_fn=on(CORES[0]))
    try:
        address = first_line(server).split()[-1]
        command = [address if word == "ADDRESS" else word for word in load_command]
        load = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=on(CORES[-1]))
        first_line(load)
        return measure(server, load)
    finally:
        stop(server)


def floor(program, count, size, share):
    """Microseconds of CPU that a player and tick's traffic takes a server that only carries it, batches of `size` bytes in
    a share of the ticks; and the share of them that it did carry."""

    def measure(server, load):
        time.sleep(SETTLING)
        began, before = time.monotonic(), spent(server.pid)[0]
        time.sleep(FLOOR_SECONDS)
        ticks = (time.monotonic() - began) * TICKS_A_SECOND
        taken = (spent(server.pid)[0] - before) / ticks / count
        batches = int(told(load).split()[0]) / size
        return taken, batches / (count * seconds * TICKS_A_SECOND * share)

    seconds = SETTLING + FLOOR_SECONDS + LEAVING
    serves, loads = [program, "serve", str(size), f"{share:.3f}"], [program, "load", "ADDRESS", str(count), str(seconds)]
    return beside(serves, loads, measure)


def delivery(limit):
    """Microseconds of CPU that one delivery of a broadcast to 5,000 takes the limit, which knows no protocol."""

    def measure(server, load):
        before = spent(server.pid)[0]
        last = told(load)
        return (spent(server.pid)[0] - before) / int(last.split(" in all")[0].split()[-1])

    loads = [limit, "load", "f5000", "ADDRESS", str(DELIVERY_SECONDS), "--raw"]
    return beside([limit, "serve", "broadcast", "127.0.0.1:0"], loads, measure)


def play(count, seconds, encoding):
    """The server's status before and after, its CPU meanwhile, the idle share of its core, and the bots' report."""
    with tempfile.TemporaryDirectory() as folder:
        server, address = serve(folder, count)
        try:
            command = [PROGRAM, "bots", "--url", f"ws://{address}/ws", "--count", str(count)]
            command += ["--seconds", str(SETTLING + seconds + LEAVING), "--encoding", encoding, "--json"]
            bots = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, preexec_fn=on(CORES[-1])
            )
            while status(address)["players"] < count:
                if bots.poll() is not None:
                    give_up(f"{' '.join(map(str, command))} ended with {bots.returncode} before all had joined")
                time.sleep(0.2)
            time.sleep(SETTLING)
            before, cpu_before, core_before = status(address), spent(server.pid), core_time(CORES[0])
            time.sleep(seconds)
            after, cpu, core = status(address), spent(server.pid), core_time(CORES[0])
            said = bots.communicate()[0]
        finally:
            stop(server)
    # It ends with 1 where some were lost, which stands in its report. Without a report there was nothing.
    if not said:
        give_up(f"{' '.join(map(str, command))} ended with {bots.returncode} and no report")
    taken = [now - then for now, then in zip(cpu, cpu_before)]
    idle = (core[1] - core_before[1]) / (sum(core) - sum(core_before))
    return before, after, taken, idle, json.loads(said)


def run(count, seconds, programs, encoding="json"):
    """One line of the data."""
    before, after, taken, idle, report = play(count, seconds, encoding)
    ticks = after["tick"]["count"] - before["tick"]["count"]
    all_of_it, user = (each / ticks / count for each in taken)
    batches = report["batches_per_tick"] or 0
    size = round(report["bytes_in_per_s"] / report["batches_per_s"])
    carried_by, limit = programs
    carrying, carried = floor(carried_by, count, size, min(1, batches))
    one_delivery = delivery(limit)
    late = after["tick"]["overruns"] - before["tick"]["overruns"]
    is_full = idle < LEAST_IDLE or batches < LEAST_BATCHES and late > MOST_LATE * ticks
    row = {
        "players": count,
        "encoding": encoding,
        "cpu_us": f"{all_of_it:.2f}",
        "user_us": f"{user:.2f}",
        "floor_us": f"{carrying:.2f}",
        "of_floor": "" if is_full or carried < LEAST_BATCHES else f"{all_of_it / carrying:.2f}",
        "delivery_us": f"{one_delivery:.2f}",
        "of_delivery": "" if is_full else f"{all_of_it / one_delivery:.2f}",
        "core_idle": f"{idle:.2f}",
        "batches_per_tick": f"{batches:.3f}",
        "tick_p99_us": after["tick"]["p99_us"],
        "flush_p99_us": after["tick"]["flush_p99_us"],
        "overruns": late,
        "ticks": ticks,
        "latency_p99_us": (report["latency_us"] or {}).get("p99", ""),
        "resident_mib": f"{after['memory']['rss_bytes'] / 2**20:.1f}",
        "bots_cpu": f"{report['cpu'] or 0:.2f}",
        "failed": count - report["joined"] + sum(report["lost"].values()) + report["out_of_order"],
    }
    return ",".join(str(row[column]) for column in HEAD.split(","))


def write(path, rows, how):
    """Puts rows into the data; what is there of other counts stays as it is."""
    text = path.read_text().splitlines() if path.exists() else []
    # Of other columns it says something else.
    rows_of = {line.split(",")[0]: line for line in text[text.index(HEAD) + 1 :]} if HEAD in text else {}
    measured = series(text if rows_of else [], rows, how, sorted(rows_of | rows, key=int))
    rows_of |= rows
    lines = [
        "# Written by benches/bots.py; server and bots have a core each.",
        *measured,
        "# Microseconds: CPU of the server for a player and tick (all, and in user space), what carrying the same bytes alone",
        "# takes, what one delivery of a broadcast to 5,000 takes, both measured right after it, and how many times each the",
        "# server took (empty where its core was full or batches were merged). Then the idle share of its core, batches for each",
        "# player and tick, 99th percentiles of a tick's work, of its writing, and of a ping's answer, late ticks of how many, the",
        "# server's memory, the bots' share of their core, and what went wrong: bots refused or lost, batches out of order.",
        HEAD,
        *(rows_of[count] for count in sorted(rows_of, key=int)),
    ]
    path.write_text("\n".join(lines) + "\n")


def arguments():
    words = Parser(__doc__, "benches/bots.py")
    words.add_argument("seconds", nargs="?", type=at_least(1), default=60, metavar="SECONDS", help="for each count (60)")
    words.add_argument("counts", nargs="*", type=at_least(1), metavar="COUNT", help=f"of bots {COUNTS}")
    words.add_argument("--encoding", choices=("json", "postcard"), default="json")
    words.add_argument("--out", type=pathlib.Path, default=DATA, metavar="FILE", help="in place of the committed data")
    return words.parse_args()


def main():
    args = arguments()
    raise_file_limit()
    where = machine()
    build()
    programs = executable("floor"), executable("limit")
    for count in args.counts or COUNTS:
        row = run(count, args.seconds, programs, args.encoding)
        print(row, flush=True)
        write(args.out, {str(count): row}, f"{args.seconds} s each on {where}")


if __name__ == "__main__":
    main()
