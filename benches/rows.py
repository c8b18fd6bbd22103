#!/usr/bin/env python3
"""Measures what one figure says of a running server, beside its bar.

start   milliseconds from the program's start to its listening line with an empty data folder, and the program's size
idle    resident bytes for each of 10,000 WebSocket connections to examples/echo.rs that say nothing
joined  resident bytes for each of 10,000 guests who have joined Shards of Eternity, spread over the map, and stand still
crowd   500 bots in one place, all walking, for a minute: late ticks, what waits in buffers, percentiles, memory

All from the release build, which is built first; the server has the first core, its peers the last. Ends with 1 where a
median is over its bar, or anything of a crowd is. Linux only.
"""

import base64
import json
import os
import re
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from machine import CORES, PROGRAM, Parser, at_least, build, first_line, give_up, machine, on, raise_file_limit, status, stop

PEERS = 10_000
# One address has some 28,000 ports, and the server may count connections by address.
SOURCES = 4
# Peers that may be on their way in.
AT_ONCE = 50
# Bytes of the program.
PROGRAM_SIZE = 8 << 20
# Bytes that may wait for all who are in the crowd, and for each: `memory_limit` and `outbox_limit`, as they are by default.
MEMORY_LIMIT, OUTBOX_LIMIT = 256 << 20, 1 << 20
CROWD = 500
KEY = base64.b64encode(bytes(16)).decode()


def start_server(folder, *flags, program=PROGRAM):
    """A process that says where it listens, and its address."""
    server = subprocess.Popen(
        [program, *flags], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        preexec_fn=on(CORES[0]),
    )  # fmt: skip
    return server, re.search(r"[\d.]+:\d+", first_line(server))[0]


def resident(server):
    """Bytes that the process keeps in memory."""
    with open(f"/proc/{server.pid}/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def frame(opcode, payload=b""):
    """A masked frame; a mask of zeros leaves the payload as it is."""
    size = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
    return bytes([0x80 | opcode]) + size + bytes(4) + payload


class Peer:
    """One WebSocket client that reads everything and answers pings."""

    def __init__(self, address, number, path, first):
        host, port = address.split(":")
        self.socket = socket.create_connection((host, int(port)), source_address=(f"127.0.0.{1 + number % SOURCES}", 0))
        lines = [f"GET {path} HTTP/1.1", f"Host: {address}", "Connection: Upgrade", "Upgrade: websocket"]
        lines += ["Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {KEY}", "", ""]
        self.socket.sendall("\r\n".join(lines).encode() + (frame(1, first) if first else b""))
        self.unread = b""
        self.upgraded = False
        # Whether what it waits for has come: its handshake's answer, or the state of the game.
        self.is_in = False

    def read(self, waits_for):
        more = self.socket.recv(1 << 18)
        if not more:
            give_up("the server has ended a connection")
        self.unread += more
        if not self.upgraded and b"\r\n\r\n" in self.unread:
            head, self.unread = self.unread.split(b"\r\n\r\n", 1)
            if b" 101 " not in head.split(b"\r\n")[0]:
                give_up(f"a handshake was answered with {head.decode().splitlines()[0]}")
            self.upgraded = True
            self.is_in = not waits_for
        while self.upgraded and (found := self.take_frame()):
            opcode, payload = found
            if opcode == 9:
                self.socket.sendall(frame(10, payload))
            elif waits_for and waits_for in payload:
                self.is_in = True

    def take_frame(self):
        """The next whole frame's opcode and payload."""
        if len(self.unread) < 2:
            return None
        size, at = self.unread[1] & 0x7F, 2
        if size >= 126:
            at += 2 if size == 126 else 8
            size = int.from_bytes(self.unread[2:at], "big")
        if len(self.unread) < at + size:
            return None
        opcode, payload = self.unread[0] & 0xF, self.unread[at : at + size]
        self.unread = self.unread[at + size :]
        return opcode, payload


def memory_each(server, address, path, first=None, waits_for=None):
    """Resident bytes that the server has grown by for each of many peers, once nothing happens any more."""
    watched = selectors.DefaultSelector()
    peers = []

    def serve(seconds):
        until = time.monotonic() + seconds
        while True:
            for key, _ in watched.select(max(0, until - time.monotonic())):
                key.data.read(waits_for)
            if time.monotonic() >= until:
                return

    # What starting takes is given back soon: the hash thread's memory after two seconds.
    time.sleep(5)
    before = resident(server)
    for number in range(PEERS):
        peers.append(Peer(address, number, path, first(number) if first else None))
        watched.register(peers[-1].socket, selectors.EVENT_READ, peers[-1])
        serve(0)
        # What is measured is the server, not what it must hold for a peer that is too slow to read.
        while number % AT_ONCE == 0 and not all(peer.is_in for peer in peers[-AT_ONCE:]):
            serve(0.02)
    while not all(peer.is_in for peer in peers):
        serve(0.5)
    serve(10)
    grown = (resident(server) - before) / PEERS
    for peer in peers:
        peer.socket.close()
    return grown


def measure_start():
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        server, _ = start_server(folder, "--listen", "127.0.0.1:0", "--data-dir", "data")
        taken = (time.monotonic() - began) * 1000
        stop(server)
    return taken


def measure_idle():
    with tempfile.TemporaryDirectory() as folder:
        server, address = start_server(folder, "127.0.0.1:0", program=PROGRAM.parent / "examples" / "echo")
        try:
            return memory_each(server, address, "/")
        finally:
            stop(server)


def measure_joined():
    with tempfile.TemporaryDirectory() as folder:
        flags = ["--listen", "127.0.0.1:0", "--data-dir", folder, "--spawn", "spread", "--connect-rate", "0"]
        flags += ["--max-connections", "12000", "--max-connections-per-ip", "0", "--max-players", "12000"]
        server, address = start_server(folder, *flags)
        hello = lambda n: json.dumps({"type": "auth_request", "data": {"version": 1, "guest": f"g{n}"}}).encode()
        try:
            return memory_each(server, address, "/ws", hello, b'"game_state"')
        finally:
            stop(server)


def measure_crowd():
    """What it came to, and what of it is over its bar."""
    with tempfile.TemporaryDirectory() as folder:
        flags = ["--listen", "127.0.0.1:0", "--data-dir", folder, "--connect-rate", "0", "--max-connections-per-ip", "0"]
        server, address = start_server(folder, *flags)
        command = [PROGRAM, "bots", "--url", f"ws://{address}/ws", "--count", str(CROWD), "--stay", "--seconds", "60", "--json"]
        buffers = 0
        try:
            bots = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, preexec_fn=on(CORES[-1]))
            while bots.poll() is None:
                now = status(address)
                buffers = max(buffers, now["memory"]["buffers_bytes"])
                time.sleep(0.5)
            told = bots.stdout.read()
        finally:
            stop(server)
    if not told:
        give_up(f"the bots ended with {bots.returncode} and no report")
    report = json.loads(told)
    tick, ticks = now["tick"], report["server"]["tick"]
    bound = min(MEMORY_LIMIT, CROWD * OUTBOX_LIMIT)
    bars = {"failed": 0, "late ticks while measured": 0, "buffers, bytes at most": bound}
    figures = {
        "failed": report["count"] - report["joined"] + sum(report["lost"].values()) + report["out_of_order"],
        "late ticks while measured": ticks["overruns"],
        "buffers, bytes at most": buffers,
        "tick p99, us": tick["p99_us"],
        "flush p99, us": tick["flush_p99_us"],
        "bytes a player and tick": round(report["bytes_in_per_s"] / report["joined"] / tick["rate_hz"]),
        "resident, MiB": round(now["memory"]["rss_bytes"] / 2**20, 1),
    }  # fmt: skip
    return figures, bars


# name -> (how it is measured, what one is, its bar, how often)
ROWS = {
    "start": (measure_start, "ms", 50, 15),
    "idle": (measure_idle, "bytes each", 250, 3),
    "joined": (measure_joined, "bytes each", 1536, 3),
    "crowd": (measure_crowd, "", None, 1),
}


def held(what, figure, bar):
    """Prints a figure beside its bar, where it has one; returns whether it holds."""
    holds = bar is None or figure <= bar
    print(what if bar is None else f"{what}; at most {bar:,} are allowed: {'holds' if holds else 'MISSED'}", flush=True)
    return holds


def arguments():
    words = Parser(__doc__, "benches/rows.py")
    words.add_argument("row", choices=ROWS)
    words.add_argument("repetitions", nargs="?", type=at_least(1), metavar="REPETITIONS")
    return words.parse_args()


def main():
    args = arguments()
    name = args.row
    measure, unit, bar, times = ROWS[name]
    times = args.repetitions or times
    raise_file_limit()
    print(f"On {machine()}.")
    build("--bins", "--examples")
    found = [measure() for _ in range(times)]
    if name == "crowd":
        told = [(what, figure, bars.get(what)) for figures, bars in found for what, figure in figures.items()]
        holds = [held(f"{what}: {figure:,}", figure, bar) for what, figure, bar in told]
    else:
        median = statistics.median(found)
        told = f"{name}: median {median:,.1f} {unit} ({min(found):,.1f} to {max(found):,.1f}, {times} times)"
        holds = [held(told, median, bar)]
    if name == "start":
        size = PROGRAM.stat().st_size
        holds.append(held(f"the program: {size:,} bytes", size, PROGRAM_SIZE))
    sys.exit(0 if all(holds) else 1)


if __name__ == "__main__":
    main()
