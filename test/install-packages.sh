#!/bin/bash
# Installs the Debian packages named that are not installed yet; does nothing, and needs no root, when all are.
set -euo pipefail
missing=()
for package in "$@"; do
  [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null)" = 'ii ' ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0
if [ "$(id -u)" != 0 ]; then
  echo "These Debian packages are missing: ${missing[*]}. Install them, or run this as root." >&2
  exit 1
fi
echo "installing: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# A new machine updates itself in its first minutes, and apt waits for only one of the two locks that this holds.
update() {
  local left=60
  until apt-get -q update >"$log" 2>&1; do
    grep -q 'Could not get lock' "$log" && [ $((left -= 1)) -gt 0 ] || return 1
    sleep 5
  done
}

if ! { update && apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "${missing[@]}" >"$log" 2>&1; }; then
  tail -n 20 "$log" >&2
  echo "apt-get could not install: ${missing[*]}" >&2
  exit 1
fi
