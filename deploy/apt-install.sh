#!/bin/sh
# Install Debian packages as root; without root, say what is missing.
set -eu
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing $* with apt-get" >&2
    apt-get update -qq >&2
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq "$@" >&2
else
    echo "Missing: $*. Install it as root: apt-get install $*" >&2
    exit 1
fi
