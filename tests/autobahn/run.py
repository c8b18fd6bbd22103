#!/usr/bin/env python3
"""Holds a WebSocket echo server against the Autobahn test suite.

    tests/autobahn/install.sh target/autobahn
    cargo build --release --example echo
    tests/autobahn/run.py target/autobahn/bin/wstest target/release/examples/echo

The second argument is the program of the server, which gets 127.0.0.1:0 as its argument, says in its first line which
ws:// address that became, and is ended here. Every case must have run, and both its outcome and the way its connection was closed must be OK, or
INFORMATIONAL where the suite judges nothing. NON-STRICT is a failure. Reports stay in --report.
"""

import argparse
import json
import pathlib
import re
import shutil
import subprocess
import sys

# Group by group: how many cases it has. A suite that ran fewer has skipped some.
CASES = {1: 16, 2: 11, 3: 7, 4: 10, 5: 20, 6: 145, 7: 37, 9: 54, 10: 1}
GOOD = {"OK", "INFORMATIONAL"}
AGENT = "echo"


def main():
    parser = argparse.ArgumentParser(description="Holds a WebSocket echo server against the Autobahn test suite.")
    parser.add_argument("wstest", help="the suite's program, as install.sh leaves it")
    parser.add_argument("server", help="a program that echoes at the ADDR:PORT it is given")
    parser.add_argument("--groups", default=",".join(map(str, CASES)), help="which groups (default: %(default)s)")
    parser.add_argument("--report", default="target/autobahn-report", help="where reports go (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=10, help="the longest it may take (default: %(default)s)")
    options = parser.parse_args()
    groups = [int(group) for group in options.groups.split(",")]
    report = pathlib.Path(options.report).resolve()
    shutil.rmtree(report, ignore_errors=True)
    report.mkdir(parents=True)

    server = subprocess.Popen([options.server, "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
    try:
        judged = run_suite(options.wstest, address_of(server), groups, report, options.minutes * 60)
    finally:
        server.terminate()
        server.wait()
    sys.exit(0 if judge(judged, groups, report) else 1)


def address_of(server):
    """Where the server listens, as its first line says."""
    line = server.stdout.readline()
    found = re.search(r"ws://\S+", line)
    if found is None:
        sys.exit(f"the server does not say where it listens: {line!r}")
    return found.group()


def run_suite(wstest, url, groups, report, seconds):
    """Runs the cases; what the suite says of each, by its number."""
    specification = report / "specification.json"
    specification.write_text(json.dumps({
        "outdir": str(report),
        "servers": [{"agent": AGENT, "url": url}],
        "cases": [f"{group}.*" for group in groups],
        "exclude-cases": [],
        "exclude-agent-cases": {},
    }))
    log = report / "wstest.log"
    with log.open("w") as output:
        command = [wstest, "--mode", "fuzzingclient", "--spec", str(specification)]
        try:
            ended = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, timeout=seconds).returncode
        except subprocess.TimeoutExpired:
            sys.exit(f"the suite took more than {seconds:.0f} s; see {log}")
    index = report / "index.json"
    if ended != 0 or not index.exists():
        sys.exit(f"the suite failed ({ended}); see {log}")
    return json.loads(index.read_text())[AGENT]


def judge(judged, groups, report):
    """Prints a line for each group and for each case that failed; whether none did and none is missing."""
    bad = []
    for group in groups:
        cases = {case: outcome for case, outcome in judged.items() if case.split(".")[0] == str(group)}
        failed = [case for case, outcome in cases.items()
                  if outcome["behavior"] not in GOOD or outcome["behaviorClose"] not in GOOD]
        expected = CASES.get(group)
        print(f"group {group:>2}: {len(cases) - len(failed)} passed, {len(failed)} failed")
        if expected is not None and len(cases) != expected:
            bad.append(f"group {group} has {expected} cases, {len(cases)} ran")
        for case in sorted(failed, key=lambda name: [int(part) for part in name.split(".")]):
            outcome = cases[case]
            bad.append(f"{case}: {outcome['behavior']}, closed {outcome['behaviorClose']}: "
                       f"{report / outcome['reportfile']}")
    for line in bad:
        print(line)
    print(f"{len(judged)} cases, {'all passed' if not bad else f'{len(bad)} complaints'}")
    return not bad and bool(judged)


if __name__ == "__main__":
    main()
