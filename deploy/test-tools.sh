#!/bin/sh
# The programs that the tests run beside our own: install the packages of those that are missing.
set -eu
here=$(dirname "$0")
missing=
for pair in bash:bash git:git mount:mount node:nodejs npm:npm sha256sum:coreutils unshare:util-linux; do
    command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair##*:}"
done
# Debian keeps its programs out of PATH, a folder a version
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null ||
    missing="$missing postgresql"
# shellcheck disable=SC2086 - a list of packages
[ -z "$missing" ] || sh "$here/apt-install.sh" $missing

# an OpenID Connect provider, exactly as tests/oidc/package-lock.json says
oidc=$here/../tests/oidc
if ! cmp -s "$oidc/package-lock.json" "$oidc/node_modules/.installed"; then
    echo "installing tests/oidc with npm" >&2
    (cd "$oidc" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
    cp "$oidc/package-lock.json" "$oidc/node_modules/.installed"
fi
