#!/bin/sh
# make_venv.sh FOLDER PIP_ARGUMENTS...: a virtual environment in FOLDER with what the pip arguments name.
# An environment that does not run any more (its Python was removed, the folder was moved) is made anew; one that runs
# is kept, so that an interrupted installation goes on where it stopped.
set -eu
here=$(dirname "$0")
folder=$1
shift

if ! "$folder/bin/python" -m pip --version >/dev/null 2>&1; then
    python=$("$here/find_python.sh")
    echo "Making $folder with $("$python" --version)"
    "$python" -m venv --clear "$folder"
fi
exec "$folder/bin/python" -m pip --disable-pip-version-check install "$@"
