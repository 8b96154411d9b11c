#!/bin/sh
# The programs that the tests run beside our own: install the packages of those that are missing.
set -eu
here=$(dirname "$0")
missing=
for pair in bash:bash git:git mount:mount sha256sum:coreutils unshare:util-linux; do
    command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair##*:}"
done
# shellcheck disable=SC2086 - a list of packages
[ -z "$missing" ] || sh "$here/apt-install.sh" $missing
