#!/usr/bin/env python3
"""Loads the built-in world with more and more bots and writes docs/images/bots.csv: benches/bots.py [SECONDS [COUNT...]]

The server has the first core and the bots the last, both from the release build. What is measured begins some seconds
after the last bot has joined, and lasts SECONDS (60: the minute over which the server reckons its percentiles). CPU is the
server's own, as the system counts it, for each player and tick. Beside it stands its floor, taken right after it: what
benches/floor.rs needs to carry as many batches of the same size and as many messages, and to do nothing else. Everything
else is what `/api/status` and the bots' report say. The machine should do nothing else meanwhile. Linux only.
"""

import argparse
import functools
import json
import os
import pathlib
import platform
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
DATA = ROOT / "docs" / "images" / "bots.csv"
PROGRAM = ROOT / "target" / "release" / "evertick"
COUNTS = (500, 1000, 2000, 4000, 5000)
HEAD = (
    "players,encoding,cpu_us,user_us,floor_us,tick_p99_us,flush_p99_us,overruns,ticks,latency_p99_us,resident_mib,bots_cpu,failed"
)
CORES = sorted(os.sched_getaffinity(0))
# Seconds between the last bot's joining and the first figure, and between the last figure and the bots' leaving.
SETTLING, LEAVING = 5, 2
# The floor is measured for so long.
FLOOR_SECONDS = 20
TICKS_A_SECOND = 20
HERTZ = os.sysconf("SC_CLK_TCK")


def on(core):
    """What to do between fork and exec so that a process has one core."""
    return lambda: os.sched_setaffinity(0, {core})


def raise_file_limit():
    """Lets this process and its children open as many files as the system allows: a connection is one at each end."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def first_line(process):
    """What a program says first; fails where it ends instead."""
    line = process.stdout.readline()
    if not line:
        sys.exit(f"{' '.join(map(str, process.args))} ended with {process.wait()} and said nothing")
    return line


def stop(server):
    """Ends a server, which must have gone on until now."""
    if server.poll() is not None:
        sys.exit(f"{' '.join(map(str, server.args))} ended by itself with {server.returncode}")
    server.terminate()
    server.wait()


def serve(folder, count):
    """A server with room for so many, and its address."""
    flags = ["--listen", "127.0.0.1:0", "--data-dir", folder, "--spawn", "spread", "--connect-rate", "0"]
    flags += ["--max-connections", str(count + 100), "--max-connections-per-ip", "0", "--max-players", str(count)]
    server = subprocess.Popen(
        [PROGRAM, *flags], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        preexec_fn=on(CORES[0]),
    )  # fmt: skip
    return server, first_line(server).split()[-1].removeprefix("http://")


def status(address):
    with urllib.request.urlopen(f"http://{address}/api/status", timeout=5) as answer:
        return json.load(answer)


def executable(bench):
    """A benchmark's program, built."""
    command = ["cargo", "bench", "--quiet", "--bench", bench, "--no-run", "--message-format=json"]
    lines = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    built = [json.loads(line) for line in lines if line.startswith("{")]
    return next(b["executable"] for b in built if b.get("executable") and b["target"]["name"] == bench)


def spent(pid):
    """Microseconds of CPU that a process has had: all, and in user space."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    user, system = int(fields[11]), int(fields[12])
    return (user + system) * 1e6 / HERTZ, user * 1e6 / HERTZ


def floor(program, count, size):
    """Microseconds of CPU that a player and tick's traffic takes a server that only carries it: batches of `size` bytes."""
    server = subprocess.Popen([program, "serve", str(size)], stdout=subprocess.PIPE, text=True, preexec_fn=on(CORES[0]))
    address = first_line(server).split()[-1]
    seconds = str(SETTLING + FLOOR_SECONDS + LEAVING)
    load = subprocess.Popen(
        [program, "load", address, str(count), seconds], stdout=subprocess.PIPE, text=True, preexec_fn=on(CORES[-1])
    )
    try:
        first_line(load)
        time.sleep(SETTLING)
        began, before = time.monotonic(), spent(server.pid)[0]
        time.sleep(FLOOR_SECONDS)
        ticks = (time.monotonic() - began) * TICKS_A_SECOND
        taken = (spent(server.pid)[0] - before) / ticks / count
    finally:
        status_of_load = load.wait()
        stop(server)
    if status_of_load != 0:
        sys.exit(f"the floor's load ended with {status_of_load}")
    return taken


def run(count, seconds, carrier, encoding="json"):
    """One line of the data."""
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
                    sys.exit(f"{' '.join(map(str, command))} ended with {bots.returncode} before all had joined")
                time.sleep(0.2)
            time.sleep(SETTLING)
            before, cpu_before = status(address), spent(server.pid)
            time.sleep(seconds)
            after, cpu = status(address), spent(server.pid)
            told = bots.communicate()[0]
            # It ends with 1 where some were lost, which stands in its report. Without a report there was nothing.
            if not told:
                sys.exit(f"{' '.join(map(str, command))} ended with {bots.returncode} and no report")
            report = json.loads(told)
        finally:
            stop(server)
    ticks = after["tick"]["count"] - before["tick"]["count"]
    each = [f"{(now - then) / ticks / count:.2f}" for now, then in zip(cpu, cpu_before)]
    size = round(report["bytes_in_per_s"] / report["batches_per_s"])
    each.append(f"{floor(carrier, count, size):.2f}")
    late = after["tick"]["overruns"] - before["tick"]["overruns"]
    resident = after["memory"]["rss_bytes"] / 2**20
    failed = count - report["joined"] + sum(report["lost"].values()) + report["out_of_order"]
    row = [count, encoding, *each, after["tick"]["p99_us"], after["tick"]["flush_p99_us"], late, ticks]
    row += [(report["latency_us"] or {}).get("p99", ""), f"{resident:.1f}", f"{report['cpu'] or 0:.2f}", failed]
    return ",".join(map(str, row))


@functools.cache
def commit():
    """The commit that is measured, with -dirty behind it where the files are not what it has."""
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def machine():
    """What figures belong to."""
    models = [line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
    model = models[0] if models else platform.machine()
    return f"{model}, {os.cpu_count()} cores, Linux {platform.release()}, commit {commit()}"


def arguments():
    about, how = __doc__.split(": benches/bots.py [SECONDS [COUNT...]]")
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="benches/bots.py", description=about, epilog=how, formatter_class=form)
    parser.add_argument("seconds", nargs="?", type=int, default=60, metavar="SECONDS", help="for each count (60)")
    parser.add_argument("counts", nargs="*", type=int, metavar="COUNT", help=f"of bots {COUNTS}")
    parser.add_argument("--encoding", choices=("json", "postcard"), default="json")
    parser.add_argument("--out", type=pathlib.Path, default=DATA, metavar="FILE", help="in place of the committed data")
    return parser.parse_args()


def main():
    args = arguments()
    raise_file_limit()
    where = machine()
    subprocess.run(["cargo", "build", "--quiet", "--release"], cwd=ROOT, check=True)
    carrier = executable("floor")
    lines = [
        f"# Written by benches/bots.py: {args.seconds} s each on {where}; server and bots have a core each.",
        "# Microseconds: CPU of the server for a player and tick (all, user space, and what carrying the same bytes alone",
        "# takes), 99th percentiles of a tick's work, of its writing, and of a ping's answer. Then late ticks of how many, the",
        "# server's memory, the bots' share of their core, and what went wrong: bots refused or lost, batches out of order.",
        HEAD,
    ]
    for count in args.counts or COUNTS:
        lines.append(run(count, args.seconds, carrier, args.encoding))
        print(lines[-1], flush=True)
    args.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
