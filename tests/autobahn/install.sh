#!/usr/bin/env bash
# Puts the Autobahn test suite into an environment of its own: tests/autobahn/install.sh DIR -> DIR/bin/wstest
#
# The suite (PyPI: autobahntestsuite) runs on Python 2.7 only. That is looked for in $PYTHON27, among pyenv's versions
# and in the PATH.
set -euo pipefail

dir=${1:?usage: tests/autobahn/install.sh DIR}
suite=autobahntestsuite==25.10.1
# The last virtualenv that makes environments for Python 2.7.
virtualenv=virtualenv==20.21.1

if [ -x "$dir/bin/wstest" ]; then
  exit 0
fi

runs() { [ -n "$1" ] && "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (2, 7))' >/dev/null 2>&1; }

find_python27() {
  local candidate
  for candidate in "${PYTHON27:-}" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/2.7*/bin/python2.7 \
    "$(command -v python2.7 || true)" "$(command -v python2 || true)"; do
    if runs "$candidate"; then
      echo "$candidate"
      return
    fi
  done
  echo "Autobahn needs a Python 2.7, and there is none: install one (pyenv install 2.7.18) or name it in PYTHON27" >&2
  return 1
}

python27=$(find_python27)
tool=$(mktemp -d)
trap 'rm -rf "$tool"' EXIT
python3 -m venv "$tool"
"$tool/bin/pip" install --quiet "$virtualenv"
# Built beside and moved at the end, so that an interrupted install does not look like a whole one.
rm -rf "$dir"
"$tool/bin/virtualenv" --quiet --python "$python27" "$dir"
"$dir/bin/pip" install --quiet --no-python-version-warning "$suite" || { rm -rf "$dir"; exit 1; }
"$dir/bin/wstest" --autobahnversion >/dev/null
