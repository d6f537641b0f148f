#!/bin/sh
# make_venv.sh FOLDER PIP_ARGUMENTS...: creates a virtual environment in FOLDER and runs pip install with the arguments.
# A broken environment (its Python was removed, the folder was moved) is recreated; a working one is kept, so that an
# interrupted installation can continue.
set -eu
here=$(dirname "$0")
folder=$1
shift

if ! "$folder/bin/python" -m pip --version >/dev/null 2>&1; then
    python=$("$here/find_python.sh")
    echo "Creating $folder with $("$python" --version)"
    "$python" -m venv --clear "$folder"
fi
exec "$folder/bin/python" -m pip --disable-pip-version-check install "$@"
