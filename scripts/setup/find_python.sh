#!/bin/sh
# Prints the first suitable Python on this machine: 3.10 to 3.13, able to create a virtual environment, with the modules
# that Label Studio's SQLite needs. $PYTHON is tried first. Each candidate is run, because a name on the PATH is not
# enough: pyenv's shims exist for inactive versions, and Debian ships python3 without venv.
set -u
# shellcheck disable=SC2016  # Python, not shell
check='import sys, venv, ensurepip, sqlite3, ssl, ctypes; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))'

for candidate in "${PYTHON:-}" python3.11 python3.12 python3.10 python3.13 python3 python; do
    if [ -n "$candidate" ] && "$candidate" -c "$check" 2>/dev/null; then
        command -v "$candidate"
        exit 0
    fi
done

cat >&2 <<'MESSAGE'
No usable Python was found. The project needs Python 3.10, 3.11, 3.12 or 3.13 with the modules venv and sqlite3.
  Debian, Ubuntu:  sudo apt-get install python3 python3-venv
  macOS:           brew install python@3.12
  anywhere:        uv python install 3.12   or   pyenv install 3.12
If it is installed under another name or path: make setup PYTHON=/path/to/python
MESSAGE
exit 1
