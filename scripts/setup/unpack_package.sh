#!/bin/sh
# unpack_package.sh [--required] FOLDER PACKAGE PROGRAM...: unpacks a Debian package into FOLDER, unless its programs are
# installed or unpacked already. For programs that only the tests run: their packages would also start services, one of
# them on the backend's port 9090. Where that is not possible, says so and exits with status 0; with --required the
# status is not 0.
set -u
required=no
if [ "${1:-}" = --required ]; then required=yes; shift; fi
folder=$1 package=$2
shift 2

PATH=$PATH:/usr/sbin:$folder/usr/bin:$folder/usr/sbin
missing=
for program in "$@"; do
    command -v "$program" >/dev/null 2>&1 || missing="$missing $program"
done
[ -n "$missing" ] || exit 0

give_up() {
    echo "NOT AVAILABLE:$missing ($1)." >&2
    echo "  Without them the tests of deploy/monitoring (prometheus, promtool) or of nginx.conf (nginx) are skipped." >&2
    [ "$required" = no ]
    exit
}

[ "${SYSTEM_PACKAGES:-yes}" = yes ] || give_up "SYSTEM_PACKAGES=$SYSTEM_PACKAGES"
command -v apt-get >/dev/null 2>&1 || give_up "apt-get is not available"
if [ "$(id -u)" = 0 ]; then as_root=; else as_root="sudo -n"; fi

mkdir -p "$folder"
cd "$folder" || exit
echo "Unpacking Debian's $package into $folder"
if ! apt-get download -q "$package"; then
    $as_root apt-get update -q || give_up "apt-get update failed"
    apt-get download -q "$package" || give_up "apt-get download failed"
fi
dpkg-deb -x "$package"_*.deb . || give_up "the package cannot be unpacked"
rm -f "$package"_*.deb
