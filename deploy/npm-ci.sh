#!/bin/sh
# Install a folder's npm packages exactly as its package-lock.json says, if they are not.
set -eu
here=$(dirname "$0")
missing=
for pair in node:nodejs npm:npm; do
    command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair##*:}"
done
# shellcheck disable=SC2086 - a list of packages
[ -z "$missing" ] || sh "$here/apt-install.sh" $missing
cd "$1"
if ! cmp -s package-lock.json node_modules/.installed; then
    echo "installing $1 with npm" >&2
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2
    cp package-lock.json node_modules/.installed
fi
