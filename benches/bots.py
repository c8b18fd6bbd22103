#!/usr/bin/env python3
"""Loads the built-in world with more and more bots and writes docs/images/bots.csv: benches/bots.py [SECONDS [COUNT...]]

The server has the first core and the bots the last, both from the release build. What is measured begins some seconds
after the last bot has joined, and lasts SECONDS (60: the minute over which the server reckons its percentiles). CPU is the
server's own, as the system counts it, for each player and tick. Beside it stands its floor, taken right after it: what
benches/floor.rs needs to carry as many batches of the same size and as many messages, and to do nothing else. Everything
else is what `/api/status` and the bots' report say. The machine should do nothing else meanwhile. Linux only.
"""

import json
import os
import pathlib
import platform
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


def serve(folder, count):
    """A server with room for so many, and its address."""
    flags = ["--listen", "127.0.0.1:0", "--data-dir", folder, "--spawn", "spread", "--connect-rate", "0"]
    flags += ["--max-connections", str(count + 100), "--max-connections-per-ip", "0", "--max-players", str(count)]
    server = subprocess.Popen(
        [PROGRAM, *flags], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        preexec_fn=on(CORES[0]),
    )  # fmt: skip
    return server, server.stdout.readline().split()[-1].removeprefix("http://")


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
    address = server.stdout.readline().split()[-1]
    seconds = str(SETTLING + FLOOR_SECONDS + LEAVING)
    load = subprocess.Popen(
        [program, "load", address, str(count), seconds], stdout=subprocess.PIPE, text=True, preexec_fn=on(CORES[-1])
    )
    try:
        load.stdout.readline()
        time.sleep(SETTLING)
        began, before = time.monotonic(), spent(server.pid)[0]
        time.sleep(FLOOR_SECONDS)
        ticks = (time.monotonic() - began) * TICKS_A_SECOND
        return (spent(server.pid)[0] - before) / ticks / count
    finally:
        load.wait()
        server.terminate()
        server.wait()


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
            while status(address)["players"] < count and bots.poll() is None:
                time.sleep(0.2)
            time.sleep(SETTLING)
            before, cpu_before = status(address), spent(server.pid)
            time.sleep(seconds)
            after, cpu = status(address), spent(server.pid)
            report = json.loads(bots.communicate()[0])
        finally:
            server.terminate()
            server.wait()
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


def machine():
    models = [line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
    return f"{models[0]}, {len(models)} cores, Linux {platform.release()}"


def main():
    seconds, *counts = [int(arg) for arg in sys.argv[1:]] or [60]
    subprocess.run(["cargo", "build", "--quiet", "--release"], cwd=ROOT, check=True)
    carrier = executable("floor")
    lines = [
        f"# Written by benches/bots.py: {seconds} s each on {machine()}; server and bots have a core each.",
        "# Microseconds: CPU of the server for a player and tick (all, user space, and what carrying the same bytes alone",
        "# takes), 99th percentiles of a tick's work, of its writing, and of a ping's answer. Then late ticks of how many, the",
        "# server's memory, the bots' share of their core, and what went wrong: bots refused or lost, batches out of order.",
        HEAD,
    ]
    for count in counts or COUNTS:
        lines.append(run(count, seconds, carrier))
        print(lines[-1], flush=True)
    DATA.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
