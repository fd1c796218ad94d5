#!/bin/bash
# Takes a distribution's own network installer out of its Debian package, for an image of the kind `installer`.
#
#   pxeimage/installers/fetch.sh debian-12     -> build/installers/debian-12/{linux,initrd.gz,version.txt}
#
# The package is downloaded and unpacked, never installed; what the machine's apt trusts is trusted here.
set -euo pipefail
umask 022

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=${OUT:-$(dirname "$(dirname "$here")")/build}/installers

fail() { echo "installer: $*" >&2; exit 1; }

[ "${1:-}" = debian-12 ] || fail "say which: debian-12"
package=debian-installer-12-netboot-amd64
images=usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64
dir=$out/$1
work=$(mktemp -d "${TMPDIR:-/tmp}/installer.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get -qq -o APT::Sandbox::User=root download "$package" || fail "$package cannot be downloaded: run apt-get update"
deb=$(ls "$package"_*.deb)
dpkg-deb --fsys-tarfile "$deb" | tar -x "./$images/linux" "./$images/initrd.gz"
mkdir -p "$dir"
for name in linux initrd.gz; do install -m 644 "$images/$name" "$dir/.$name" && mv "$dir/.$name" "$dir/$name"; done
dpkg-deb -W --showformat='${Package} ${Version}\n' "$deb" >"$dir/version.txt"
echo "installer: $(cat "$dir/version.txt") is in $dir"
