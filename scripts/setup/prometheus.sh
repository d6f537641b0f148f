#!/bin/sh
# prometheus.sh [--required] FOLDER: unpacks Debian's prometheus and promtool into FOLDER, unless they are installed or
# unpacked already. They are for tests only, so nothing is installed: the package would also start a service on port
# 9090, which is the backend's. Where that is not possible, says so and exits with status 0; with --required the status
# is not 0.
set -u
required=no
if [ "${1:-}" = --required ]; then required=yes; shift; fi
folder=$1

PATH=$PATH:$folder/usr/bin
if command -v prometheus >/dev/null 2>&1 && command -v promtool >/dev/null 2>&1; then exit 0; fi

give_up() {
    echo "NOT AVAILABLE: prometheus ($1)." >&2
    echo "  Without it the tests of the dashboard and the alert rules are skipped." >&2
    [ "$required" = no ]
    exit
}

[ "${SYSTEM_PACKAGES:-yes}" = yes ] || give_up "SYSTEM_PACKAGES=$SYSTEM_PACKAGES"
command -v apt-get >/dev/null 2>&1 || give_up "apt-get is not available"
if [ "$(id -u)" = 0 ]; then as_root=; else as_root="sudo -n"; fi

mkdir -p "$folder"
cd "$folder" || exit
echo "Unpacking Debian's prometheus into $folder"
if ! apt-get download -q prometheus; then
    $as_root apt-get update -q || give_up "apt-get update failed"
    apt-get download -q prometheus || give_up "apt-get download failed"
fi
dpkg-deb -x prometheus_*.deb . || give_up "the package cannot be unpacked"
rm -f prometheus_*.deb
