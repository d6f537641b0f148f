#!/bin/sh
# system_packages.sh [--required] COMMAND=PACKAGE...: installs the package of every missing command with apt-get, as root
# or by sudo without a password. Where that is not possible, prints what is unavailable without it and exits with
# status 0; with --required the status is not 0.
set -u
required=no
if [ "${1:-}" = --required ]; then required=yes; shift; fi

missing=
for pair in "$@"; do
    command -v "${pair%%=*}" >/dev/null 2>&1 || missing="$missing ${pair#*=}"
done
[ -n "$missing" ] || exit 0

give_up() {
    echo "NOT INSTALLED:$missing ($1)." >&2
    echo "  Without redis-server the backend uses its in-process cache, and the tests that need Redis are skipped." >&2
    echo "  Without chromium and chromium-driver the browser tests are skipped." >&2
    echo "  Install$missing with your system's package manager and run this again." >&2
    [ "$required" = no ]
    exit
}

[ "${SYSTEM_PACKAGES:-yes}" = yes ] || give_up "SYSTEM_PACKAGES=$SYSTEM_PACKAGES"
command -v apt-get >/dev/null 2>&1 || give_up "apt-get is not available"
if [ "$(id -u)" = 0 ]; then
    as_root="env"
elif sudo -n true 2>/dev/null; then
    as_root='sudo env'
else
    give_up "no permission to install system packages: not root, and sudo asks for a password"
fi

echo "Installing$missing with apt-get"
$as_root DEBIAN_FRONTEND=noninteractive apt-get update -q || give_up "apt-get update failed"
# shellcheck disable=SC2086  # a list of package names
$as_root DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing ||
    give_up "apt-get install failed"
