#!/bin/bash
# Makes the system `tiny`, for scenarios that install the same machines over and over: pxeimage's kernel and drivers, and busybox
# as everything else. It takes its name and its address, answers HTTP on port 80, and calls home: as much as a pool needs
# to see of a machine. Nobody is meant to work on it: there is no login and no package.
#
#   root.sh TARBALL BUILD      BUILD/pxeimage/lab has been built
set -euo pipefail
tarball=$1 image=$2/pxeimage/lab
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ -f "$image/initrd.img" ] || { echo "snapshot: tiny needs pxeimage: run pxeimage/build.sh lab" >&2; exit 1; }
work=$(mktemp -d "${TMPDIR:-/tmp}/tiny.XXXXXX")
trap 'rm -rf "$work"' EXIT
early=$work/early root=$work/root

mkdir -p "$work/pxeimage" "$early"/{bin,lib,proc,sys,dev,root}
zstd -d -q -c "$image/initrd.img" | (cd "$work/pxeimage" && cpio -id --quiet)
version=$(ls "$work/pxeimage/lib/modules")
mv "$work/pxeimage/lib/modules" "$early/lib/modules"
install -m 755 "$work/pxeimage/bin/busybox" "$early/bin/busybox"
install -m 755 "$here/early-init" "$early/init"

mkdir -p "$root"/{bin,sbin,boot/grub,etc,usr/lib,var/lib,srv,proc,sys,dev,run,tmp,mnt,root}
cp -a "$early/bin/busybox" "$root/bin/busybox"
for applet in $("$early/bin/busybox" --list); do [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"; done
for applet in $("$early/bin/busybox" --list); do [ "$applet" = busybox ] || ln -s busybox "$early/bin/$applet"; done
install -m 755 "$here/init" "$root/sbin/init"
install -m 755 "$here/../../agent/udhcpc.sh" "$root/etc/udhcpc.sh"
printf 'NAME=tiny\nID=tiny\nPRETTY_NAME="A system for tests"\n' >"$root/etc/os-release"
echo localhost >"$root/etc/hostname"
echo ok >"$root/srv/index.html"
install -m 644 "$image/vmlinuz" "$root/boot/vmlinuz-$version"
find "$early" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
(cd "$early" && find . | sort | cpio -o -H newc --reproducible --quiet -R 0:0) | zstd -q -9 -T1 >"$root/boot/initrd.img-$version"
tar -C "$root" --sort=name --numeric-owner --owner=0 --group=0 --mtime="@$SOURCE_DATE_EPOCH" -cf "$tarball" .
