#!/bin/sh
# Make a virtual environment in $1 with Python 3.11 or later, on a machine with nothing prepared.
set -eu
venv=$1
here=$(dirname "$0")
[ -x "$venv/bin/pip" ] && exit 0

find_python() {
    for candidate in python3 python3.13 python3.12 python3.11; do
        if command -v "$candidate" >/dev/null &&
            "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
}

python=$(find_python)
[ -n "$python" ] || { sh "$here/apt-install.sh" python3 python3-venv; python=$(find_python); }
[ -n "$python" ] || { echo "Klarity Storage needs Python 3.11 or later." >&2; exit 1; }
# Debian ships Python without ensurepip; it comes with python3-venv.
"$python" -c 'import ensurepip' 2>/dev/null || sh "$here/apt-install.sh" python3-venv
"$python" -m venv "$venv"
