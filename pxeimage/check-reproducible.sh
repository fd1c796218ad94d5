#!/bin/bash
# Proves that pxeimage is reproducible: builds a profile again, elsewhere, under another umask and time zone, and compares.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
profile=${1:-lab}
first=$(dirname "$here")/build
second=$(mktemp -d)
trap 'rm -rf "$second"' EXIT
"$here/build.sh" "$profile"
mkdir -p "$second/cache" && cp -a "$first/cache/." "$second/cache/"
(umask 077 && cd / && TZ=Pacific/Auckland LANG=C.UTF-8 OUT=$second "$here/build.sh" "$profile")
for name in vmlinuz initrd.img manifest.json; do
  cmp "$first/pxeimage/$profile/$name" "$second/pxeimage/$profile/$name"
done
sha256sum "$first/pxeimage/$profile/"{vmlinuz,initrd.img} | sed 's/  .*\//  /'
echo "reproducible: $profile"
