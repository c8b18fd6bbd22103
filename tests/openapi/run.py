#!/usr/bin/env python3
"""Holds a running server against docs/openapi.yaml, with schemathesis: run.py URL ADMIN_TOKEN [SECONDS]

The server answers anything that the document allows and much that it does not, without an error of its own and never
with a status, a body or a header that the document does not have. Run it with the Python of the environment that
tests/openapi/requirements.txt is installed in. The server should be a fresh one with `connect_rate = 0`.

Three parts: everything that an account may ask for; administration; and logging out, which is by itself because it ends
the token that the others need.
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
DOCUMENT = HERE.parent.parent / "docs" / "openapi.yaml"
SCHEMATHESIS = pathlib.Path(sys.executable).parent / "schemathesis"
SEED = "1"
ACCOUNT = {"username": "schemathesis", "password": "a long enough one"}

ADMINISTRATION = "^/api/admin/"
LOGOUT = "^/api/auth/logout$"


def post(url, path, body, token=None):
    """Asks, and returns the JSON of the answer."""
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url + path, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def login(url):
    return post(url, "/api/auth/login", ACCOUNT)["token"]


def part(url, name, seconds, token, *selection):
    """Runs one part; ends the program where something is found."""
    print(f"--- {name}", flush=True)
    command = [
        SCHEMATHESIS, "--config-file", HERE / "schemathesis.toml", "run", DOCUMENT, "--url", url, "--seed", SEED,
        "--max-time", str(seconds), "--header", f"Authorization: Bearer {token}", "--no-color", *selection,
    ]
    # What it remembers of a run goes where it is forgotten.
    with tempfile.TemporaryDirectory() as folder:
        status = subprocess.run(command, check=False, cwd=folder).returncode
    if status != 0:
        sys.exit(f"{name}: schemathesis ended with {status}")


def main():
    url, admin = sys.argv[1], sys.argv[2]
    seconds = int(sys.argv[3]) if len(sys.argv) > 3 else 45
    post(url, "/api/auth/register", ACCOUNT)
    token = login(url)
    wish = {"name": "Schemathesis", "faction": "solari", "class": "mage"}
    character = post(url, "/api/characters", wish, token)
    post(url, "/api/characters/select", {"character_id": character["id"]}, token)
    part(url, "accounts, characters, world", seconds, token,
         "--exclude-path-regex", f"{ADMINISTRATION}|{LOGOUT}")
    part(url, "administration", max(1, seconds // 3), admin, "--include-path-regex", ADMINISTRATION)
    part(url, "logging out", max(1, seconds // 9), login(url), "--include-path-regex", LOGOUT)


if __name__ == "__main__":
    main()
