#!/usr/bin/env python3
"""Holds a WebSocket echo server against the Autobahn test suite.

    tests/autobahn/install.sh target/autobahn
    cargo build --release --example echo
    tests/autobahn/run.py target/autobahn/bin/wstest target/release/examples/echo

    tests/autobahn/run.py --groups 12,13 --jobs 2 ...     # compressed messages

The second argument is the program of the server, which gets 127.0.0.1:0 as its argument, and --compress for groups 12 and
13; it says in its first line which ws:// address that became, and is ended here. Every case must have run, and both its outcome and the way its connection was closed must be OK, or
INFORMATIONAL where the suite judges nothing. NON-STRICT is a failure. Reports stay in --report.
"""

import argparse
import concurrent.futures
import json
import pathlib
import re
import shutil
import subprocess
import sys

# Group by group: how many cases it has. A suite that ran fewer has skipped some.
PLAIN = {1: 16, 2: 11, 3: 7, 4: 10, 5: 20, 6: 145, 7: 37, 9: 54, 10: 1}
# Groups of compressed messages: how many kinds of data or offers each has. Of each kind there are SIZES cases, of 1,000
# messages from 16 bytes to 128 KiB, the last ones in fragments.
COMPRESSED = {12: 5, 13: 7}
SIZES = 18
# Those of the sizes that --quick takes: 64 B, 1 KiB, 8 KiB, and 8 KiB in fragments of 256 bytes. The others take minutes.
QUICK = (2, 4, 6, 11)
GOOD = {"OK", "INFORMATIONAL"}
AGENT = "echo"


def main():
    parser = argparse.ArgumentParser(description="Holds a WebSocket echo server against the Autobahn test suite.")
    parser.add_argument("wstest", help="the suite's program, as install.sh leaves it")
    parser.add_argument("server", help="a program that echoes at the ADDR:PORT it is given")
    parser.add_argument("--groups", default=",".join(map(str, PLAIN)), help="which groups (default: %(default)s)")
    parser.add_argument("--report", default="target/autobahn-report", help="where reports go (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=1, help="suites at once (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="of groups 12 and 13 only a few sizes")
    parser.add_argument("--minutes", type=float, default=15, help="the longest it may take (default: %(default)s)")
    options = parser.parse_args()
    groups = [int(group) for group in options.groups.split(",")]
    report = pathlib.Path(options.report).resolve()
    shutil.rmtree(report, ignore_errors=True)
    report.mkdir(parents=True)

    sizes = QUICK if options.quick else range(1, SIZES + 1)
    expected = {group: PLAIN.get(group) or COMPRESSED[group] * len(sizes) for group in groups}
    compress = ["--compress"] if set(groups) & set(COMPRESSED) else []

    server = subprocess.Popen([options.server, "127.0.0.1:0", *compress], stdout=subprocess.PIPE, text=True)
    try:
        url = address_of(server)
        shares = [share for share in (cases_of(groups, sizes)[n::options.jobs] for n in range(options.jobs)) if share]
        with concurrent.futures.ThreadPoolExecutor(len(shares)) as pool:
            suite = lambda n: run_suite(options.wstest, url, shares[n], report / str(n), options.minutes * 60)
            judged = {case: outcome for part in pool.map(suite, range(len(shares))) for case, outcome in part.items()}
    finally:
        server.terminate()
        server.wait()
    sys.exit(0 if judge(judged, expected) else 1)


def cases_of(groups, sizes):
    """The cases, as patterns of the suite's."""
    plain = [f"{group}.*" for group in groups if group in PLAIN]
    return plain + [f"{group}.{kind}.{size}" for group in groups if group in COMPRESSED
                    for kind in range(1, COMPRESSED[group] + 1) for size in sizes]


def address_of(server):
    """Where the server listens, as its first line says."""
    line = server.stdout.readline()
    found = re.search(r"ws://\S+", line)
    if found is None:
        sys.exit(f"the server does not say where it listens: {line!r}")
    return found.group()


def run_suite(wstest, url, cases, report, seconds):
    """Runs the cases; what the suite says of each, by its number, and where it says more."""
    report.mkdir()
    specification = report / "specification.json"
    specification.write_text(json.dumps({
        "outdir": str(report),
        "servers": [{"agent": AGENT, "url": url}],
        "cases": cases,
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
    judged = json.loads(index.read_text())[AGENT]
    return {case: outcome | {"reportfile": report / outcome["reportfile"]} for case, outcome in judged.items()}


def judge(judged, expected):
    """Prints a line for each group and for each case that failed; whether none did and none is missing."""
    bad = []
    for group, count in expected.items():
        cases = {case: outcome for case, outcome in judged.items() if case.split(".")[0] == str(group)}
        failed = [case for case, outcome in cases.items()
                  if outcome["behavior"] not in GOOD or outcome["behaviorClose"] not in GOOD]
        print(f"group {group:>2}: {len(cases) - len(failed)} passed, {len(failed)} failed")
        if len(cases) != count:
            bad.append(f"group {group} has {count} cases, {len(cases)} ran")
        for case in sorted(failed, key=lambda name: [int(part) for part in name.split(".")]):
            outcome = cases[case]
            bad.append(f"{case}: {outcome['behavior']}, closed {outcome['behaviorClose']}: "
                       f"{outcome['reportfile']}")
    for line in bad:
        print(line)
    print(f"{len(judged)} cases, {'all passed' if not bad else f'{len(bad)} complaints'}")
    return not bad and bool(judged)


if __name__ == "__main__":
    main()
