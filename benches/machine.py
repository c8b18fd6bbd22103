"""What the scripts here have in common: the machine, what is built, the processes that are started, and who else is at work.

A script ends with 0 where everything is as it should be, with 1 where something is not, and with 2 where it could not do
what it was asked: wrong words, a program that is missing or fails. The last is one line that says what, and what to do.
"""

import argparse
import functools
import json
import os
import pathlib
import platform
import re
import resource
import shutil
import subprocess
import sys
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "target" / "release" / "evertick"
CORES = sorted(os.sched_getaffinity(0))
HERTZ = os.sysconf("SC_CLK_TCK")
# What the programs that are measured are made of.
MEASURED = ["src", "examples", "Cargo.toml", "Cargo.lock", ":(glob)benches/**/*.rs"]
# Where each program that is called comes from.
SOURCES = {
    "cargo": "install Rust by https://rustup.rs",
    "rustc": "install Rust by https://rustup.rs",
    "valgrind": "install the package valgrind",
    "strace": "install the package strace",
    "taskset": "install the package util-linux",
}


def give_up(message):
    """Ends the script: there is nothing to say about what was asked."""
    print(f"{pathlib.Path(sys.argv[0]).stem}: {message}", file=sys.stderr)
    sys.exit(2)


class Parser(argparse.ArgumentParser):
    """One whose help is the script's own text, and who says in one line what is wrong."""

    def __init__(self, about, name):
        super().__init__(prog=name, description=about, formatter_class=argparse.RawDescriptionHelpFormatter)

    def error(self, message):
        give_up(f"{message} (--help says what it takes)")


def at_least(least):
    """A whole number of an argument's that is not less."""

    def number(word):
        if not word.isdecimal() or int(word) < least:
            raise argparse.ArgumentTypeError(f"{word}: a whole number from {least} on is needed")
        return int(word)

    return number


def need(*programs):
    """Gives up where one is missing."""
    for program in programs:
        if not shutil.which(program):
            give_up(f"there is no {program}: {SOURCES[program]}")


def output(*command):
    """What a program says; gives up where it fails, which says why on its own."""
    need(*({command[0]} & SOURCES.keys()))
    done = subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        give_up(f"{' '.join(map(str, command))} has ended with {done.returncode}: what it says is above")
    return done.stdout


def build(*what):
    """The release build."""
    output("cargo", "build", "--quiet", "--release", *what)


def executable(bench):
    """A benchmark's program, built."""
    command = ("cargo", "bench", "--quiet", "--bench", bench, "--no-run", "--message-format=json")
    built = [json.loads(line) for line in output(*command).splitlines() if line.startswith("{")]
    return next(b["executable"] for b in built if b.get("executable") and b["target"]["name"] == bench)


def on(core):
    """What to do between fork and exec so that a process has one core."""
    return lambda: os.sched_setaffinity(0, {core})


def raise_file_limit():
    """Lets this process and its children open as many files as the system allows: a connection is one at each end."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def first_line(process):
    """What a program says first; gives up where it ends instead."""
    line = process.stdout.readline()
    if not line:
        give_up(f"{' '.join(map(str, process.args))} ended with {process.wait()} and said nothing")
    return line


def stop(server):
    """Ends a server, which must have gone on until now."""
    if server.poll() is not None:
        give_up(f"{' '.join(map(str, server.args))} ended by itself with {server.returncode}")
    server.terminate()
    server.wait()


def status(address):
    """What a server says of itself."""
    try:
        with urllib.request.urlopen(f"http://{address}/api/status", timeout=5) as answer:
            return json.load(answer)
    except OSError as error:
        give_up(f"the server at {address} does not say how it is: {error}")


def spent(pid):
    """Microseconds of CPU that a process has had: all, and in user space."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    user, system = int(fields[11]), int(fields[12])
    return (user + system) * 1e6 / HERTZ, user * 1e6 / HERTZ


def core_time(core):
    """Microseconds that a core has been busy, for whomever, and those in which it was idle."""
    lines = pathlib.Path("/proc/stat").read_text().splitlines()
    fields = next(line.split()[1:9] for line in lines if line.startswith(f"cpu{core} "))
    times = [int(field) * 1e6 / HERTZ for field in fields]
    # The fourth and the fifth are idle, and idle while a disk works. What another guest of the machine took is busy.
    idle = times[3] + times[4]
    return sum(times) - idle, idle


def quiet(seconds):
    """Waits until nobody is at work on our cores, at most so long. Returns the seconds that took."""
    began = time.monotonic()
    while (taken := time.monotonic() - began) < seconds:
        before = [core_time(core) for core in (CORES[0], CORES[-1])]
        time.sleep(0.5)
        after = [core_time(core) for core in (CORES[0], CORES[-1])]
        shares = [(now[0] - then[0]) / max(1, sum(now) - sum(then)) for now, then in zip(after, before)]
        if max(shares) <= 0.04:
            break
    return taken


# A line of a data file's head that says how some of its rows were measured.
SERIES = re.compile(r"# Measured: ([\w ]+): (.*)")


def series(lines, measured, how, order):
    """Lines that say of each row how it was measured, those of earlier runs among them; rows in this order."""
    of_row = {row: found[2] for line in lines if (found := SERIES.match(line)) for row in found[1].split()}
    of_row |= dict.fromkeys(measured, how)
    rows = lambda how: " ".join(row for row in order if of_row.get(row) == how)
    return [f"# Measured: {rows(how)}: {how}" for how in dict.fromkeys(of_row.values())]


@functools.cache
def is_changed():
    """Whether what is measured is in no commit. Asked before anything is written."""
    command = ["git", "status", "--porcelain", "--", *MEASURED]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode == 0 and bool(done.stdout)


@functools.cache
def commit():
    """The commit that is measured, and plainly so where the code is not what it has."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    name = done.stdout.strip() if done.returncode == 0 else "unknown"
    return f"{name} WITH CHANGES THAT ARE IN NO COMMIT" if is_changed() else name


def hardware():
    """What figures belong to, whatever was measured."""
    models = [line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
    return f"{models[0] if models else platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}"


def machine():
    """What figures belong to."""
    return f"{hardware()}, commit {commit()}"
