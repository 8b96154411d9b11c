#!/bin/sh
# The programs that the tests run beside our own: install the packages of those that are missing.
set -eu
here=$(dirname "$0")
missing=
for pair in bash:bash git:git mount:mount node:nodejs npm:npm sha256sum:coreutils unshare:util-linux; do
    command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair##*:}"
done
# Debian keeps nginx where only root looks
command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || missing="$missing nginx"
# Debian keeps its programs out of PATH, a folder a version
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null ||
    missing="$missing postgresql"
# shellcheck disable=SC2086 - a list of packages
[ -z "$missing" ] || sh "$here/apt-install.sh" $missing
# what it recommends is for desktops
command -v chromium >/dev/null || sh "$here/apt-install.sh" --no-install-recommends chromium

# exactly as package-lock.json says: an OpenID Connect provider; what drives Chromium
for folder in oidc browser; do
    sh "$here/npm-ci.sh" "$here/../tests/$folder"
done
