#!/usr/bin/env python3
"""Loads the built-in world with more and more bots and writes docs/images/bots.csv: benches/bots.py [SECONDS [COUNT...]]

The server has the first core and the bots the last, both from the release build. What is measured begins some seconds
after the last bot has joined, and lasts SECONDS (60: the minute over which the server reckons its percentiles). CPU is the
server's own, as the system counts it, for each player and tick. Everything else is what `/api/status` and the bots' report
say. The machine should do nothing else meanwhile. Linux only.
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
    "players,encoding,cpu_us,user_us,tick_p99_us,flush_p99_us,overruns,ticks,latency_p99_us,resident_mib,bots_cpu,failed"
)
CORES = sorted(os.sched_getaffinity(0))
# Seconds between the last bot's joining and the first figure, and between the last figure and the bots' leaving.
SETTLING, LEAVING = 5, 2
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


def spent(pid):
    """Microseconds of CPU that a process has had: all, and in user space."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    user, system = int(fields[11]), int(fields[12])
    return (user + system) * 1e6 / HERTZ, user * 1e6 / HERTZ


def run(count, seconds, encoding="json"):
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
    lines = [
        f"# Written by benches/bots.py: {seconds} s each on {machine()}; server and bots have a core each.",
        "# Microseconds: CPU of the server for a player and tick (all, user space), 99th percentiles of a tick's work, of its",
        "# writing, and of a ping's answer. Then late ticks of how many, the server's memory, the bots' share of their core,",
        "# and what went wrong: bots refused or lost, batches out of order.",
        HEAD,
    ]
    for count in counts or COUNTS:
        lines.append(run(count, seconds))
        print(lines[-1], flush=True)
    DATA.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
