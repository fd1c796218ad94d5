#!/bin/bash
# Builds a snapshot of an operating system, as a tarball and as a raw disk, from Debian packages.
#
#   pxeimage/snapshots/build.sh debian-12      -> build/images/debian-12.{tar.zst,raw.zst,manifest.json}
#
# A snapshot is a folder beside this file: `packages`, and `customize.sh` that runs on the unpacked system; or `root.sh`, that
# makes the tarball in a way of its own (`tiny`, which starts only from its raw disk). The raw disk has
# GPT with a BIOS boot partition, an EFI system partition and a root that is last, to be grown; it boots by either firmware.
# Nothing is mounted and no loop device is used. The same packages give the same tarball: names are sorted, times are
# SOURCE_DATE_EPOCH, and what would differ from machine to machine is not in it.
# KERNEL=PACKAGE takes another kernel, INCLUDE="PACKAGES" adds some (mdadm lvm2: for layouts that need them; shim-signed
# grub-efi-amd64-signed: for Secure Boot, of the raw disk, too).
set -euo pipefail
umask 022
export LC_ALL=C TZ=UTC
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-1700000000}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=${OUT:-$(dirname "$(dirname "$here")")/build}
dir=$out/images
cache=$out/cache/snapshots
suite=bookworm
# Of the raw disk; the installer makes new ones on the machine.
root_uuid=8f3f1f6e-52e1-4d5c-9c53-5e7a11e00012
disk_uuid=8F3F1F6E-52E1-4D5C-9C53-5E7A11E0D15C
esp_id=5e7a0e5f
esp_mib=16

work=
# With a signal that is trapped the program that runs ends first: nothing writes any more into what is removed.
trap 'rm -rf "$work"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

fail() { echo "snapshot: $*" >&2; exit 1; }
say() { echo "snapshot: $*"; }
list() { sed 's/#.*//; s/[[:space:]]*$//; /^$/d' "$1"; }

need() {
  local pair
  for pair in mmdebstrap:mmdebstrap mke2fs:e2fsprogs mkfs.vfat:dosfstools mcopy:mtools sfdisk:fdisk grub-mkimage:grub-common \
    zstd:zstd tar:tar sha256sum:coreutils; do
    PATH=$PATH:/usr/sbin:/sbin command -v "${pair%%:*}" >/dev/null || fail "${pair%%:*} is missing: apt-get install ${pair#*:}"
  done
  export PATH=$PATH:/usr/sbin:/sbin
  [ -d /usr/lib/grub/i386-pc ] || fail "grub-pc-bin is missing: apt-get install grub-pc-bin"
  [ -d /usr/lib/grub/x86_64-efi ] || fail "grub-efi-amd64-bin is missing: apt-get install grub-efi-amd64-bin"
  [ "$(id -u)" = 0 ] || fail "only root can keep the owners of files"
}

# This machine's own Debian sources: a mirror near it, if it has one.
sources() {
  local file found=
  for file in /etc/apt/sources.list.d/*.sources; do
    [ -s "$file" ] && grep -q "$suite" "$file" && grep -qi 'debian-archive\|debian.org/debian' "$file" || continue
    cat "$file"; echo; found=1
  done
  [ -z "$found" ] || return 0
  # Or in the older form; one of them may be a CD.
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [ ! -s "$file" ] || grep -E "^deb (\[[^]]*\] )?http[^ ]*debian[^ ]* $suite" "$file" || true
  done
}

make_tarball() {
  local name=$1 packages
  packages=$(list "$here/$name/packages" | sed "s/^linux-image-cloud-amd64$/${KERNEL:-linux-image-cloud-amd64}/" | paste -sd,)
  packages=$packages${INCLUDE:+,${INCLUDE// /,}}
  mkdir -p "$cache"
  say "$name: unpacking packages"
  local mirrors; mirrors=$(sources)
  [ -n "$mirrors" ] || mirrors="deb http://deb.debian.org/debian $suite main
deb http://deb.debian.org/debian-security $suite-security main"
  # What is left out: documentation and translations, names of desktop hardware, GRUB images that are signed for nobody here.
  printf '%s\n' "$mirrors" | mmdebstrap --quiet --mode=root --variant=minbase --include="$packages" \
    --skip=essential/unlink \
    --setup-hook='mkdir -p "$1"/var/cache/apt/archives' \
    --setup-hook="sync-in $cache /var/cache/apt/archives" \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/info/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/lintian/*' \
    --dpkgopt='path-exclude=/usr/lib/udev/hwdb.d/*' --dpkgopt='path-exclude=/lib/udev/hwdb.d/*' \
    --dpkgopt='path-exclude=/usr/lib/grub/x86_64-efi/monolithic/*' \
    --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
    --aptopt='Apt::Install-Recommends "false"' \
    --customize-hook="sync-out /var/cache/apt/archives $cache" \
    --customize-hook="$here/$name/customize.sh \"\$1\"" \
    --format=tar "$suite" "$work/root.tar" - 2>"$work/mmdebstrap.log" || { tail -n 20 "$work/mmdebstrap.log" >&2; fail "mmdebstrap failed"; }
}

# Unpacked by number, into a folder whose order of names mke2fs follows.
make_root() {
  mkdir "$work/root"
  tar -C "$work/root" --numeric-owner --xattrs --xattrs-include='*' -xf "$work/root.tar"
  local kernel initrd
  kernel=$(basename "$(ls "$work"/root/boot/vmlinuz-* | tail -n 1)")
  initrd=initrd.img-${kernel#vmlinuz-}
  cat >"$work/root/boot/grub/grub.cfg" <<END
set timeout=1
serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
menuentry 'Debian GNU/Linux' {
  search --no-floppy --fs-uuid --set=root $root_uuid
  linux /boot/$kernel root=UUID=$root_uuid ro console=tty0 console=ttyS0,115200n8 net.ifnames=0
  initrd /boot/$initrd
}
END
  mkdir -p "$work/root/boot/efi"
  printf 'UUID=%s / ext4 errors=remount-ro 0 1\n' "$root_uuid" >"$work/root/etc/fstab"
  touch -h -d "@$SOURCE_DATE_EPOCH" "$work/root/boot/grub/grub.cfg" "$work/root/etc/fstab" "$work"/root/boot/{grub,efi,.} "$work/root/etc"
  local used_mib; used_mib=$(du -sm --apparent-size "$work/root" | cut -f1)
  root_mib=$((used_mib * 5 / 4 + 48))
  truncate -s "${root_mib}M" "$work/root.ext4"
  E2FSPROGS_FAKE_TIME=$SOURCE_DATE_EPOCH mke2fs -q -F -t ext4 -L root -U "$root_uuid" -m 1 \
    -E "hash_seed=$root_uuid,lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0" -d "$work/root" "$work/root.ext4"
}

efi_modules='part_gpt part_msdos fat ext2 normal linux search search_fs_uuid configfile serial terminal echo test efi_gop efi_uga'
bios_modules='biosdisk part_gpt ext2 normal linux search search_fs_uuid configfile serial terminal echo test'

make_esp() {
  cat >"$work/early.cfg" <<END
search --no-floppy --fs-uuid --set=root $root_uuid
set prefix=(\$root)/boot/grub
END
  truncate -s "${esp_mib}M" "$work/esp.fat"
  mkfs.vfat --invariant -F 16 -i "$esp_id" -n ESP "$work/esp.fat" >/dev/null
  mmd -i "$work/esp.fat" ::EFI ::EFI/BOOT
  local shim=$work/root/usr/lib/shim/shimx64.efi.signed grub=$work/root/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed
  if [ -f "$shim" ] && [ -f "$grub" ]; then
    # They start where Secure Boot is on, and where it is off. The folder that this GRUB looks for its grub.cfg in is built into it.
    { cat "$work/early.cfg"; echo 'configfile $prefix/grub.cfg'; } >"$work/signed.cfg"
    mmd -i "$work/esp.fat" ::EFI/debian
    to_esp "$shim" EFI/BOOT/BOOTX64.EFI
    to_esp "$grub" EFI/BOOT/grubx64.efi
    to_esp "$work/signed.cfg" EFI/debian/grub.cfg
  else
    # shellcheck disable=SC2086
    grub-mkimage -O x86_64-efi -p /boot/grub -c "$work/early.cfg" -o "$work/BOOTX64.EFI" $efi_modules
    to_esp "$work/BOOTX64.EFI" EFI/BOOT/BOOTX64.EFI
  fi
}

# Of the time of all else in the image.
to_esp() {
  cp "$1" "$work/of-esp"
  touch -d "@$SOURCE_DATE_EPOCH" "$work/of-esp"
  mcopy -m -i "$work/esp.fat" "$work/of-esp" "::$2"
}

# A little-endian number of so many bytes.
number() { local value=$1 bytes=$2 hex=; while [ "$bytes" -gt 0 ]; do hex+=$(printf '\\x%02x' $((value & 255))); value=$((value >> 8)) bytes=$((bytes - 1)); done; printf "$hex"; }
put() { dd of="$work/disk.raw" bs=1 seek="$1" conv=notrunc status=none; }

# What grub-bios-setup does to a disk, done to a file (grub 2.06, util/setup.c): the boot sector, less what is the
# partition table's, knows the sector of the core image (boot.S: 0x5c), and the core's first sector knows where the rest of
# it lies and where it is loaded (diskboot.S: its last twelve bytes). The two bytes at 0x66 keep the BIOS's drive number.
make_bios() {
  local start=$1
  # shellcheck disable=SC2086
  grub-mkimage -O i386-pc -p /boot/grub -c "$work/early.cfg" -o "$work/core.img" $bios_modules
  local sectors=$((($(stat -c %s "$work/core.img") + 511) / 512))
  [ "$sectors" -le 2016 ] || fail "GRUB's core image does not fit its partition"
  dd if=/usr/lib/grub/i386-pc/boot.img of="$work/disk.raw" bs=440 count=1 conv=notrunc status=none
  dd if="$work/core.img" of="$work/disk.raw" bs=512 seek="$start" conv=notrunc status=none
  number "$start" 8 | put $((0x5c))
  printf '\x90\x90' | put $((0x66))
  number $((start + 1)) 8 | put $((start * 512 + 500))
  number $((sectors - 1)) 2 | put $((start * 512 + 508))
  number $((0x820)) 2 | put $((start * 512 + 510))
}

make_disk() {
  # One MiB in front, one for GRUB's core, the EFI system partition, the root, one for the second partition table.
  local bios=2048 esp=4096 root
  root=$((esp + esp_mib * 2048))
  truncate -s "$((1 + 1 + esp_mib + root_mib + 1))M" "$work/disk.raw"
  sfdisk -q "$work/disk.raw" <<END
label: gpt
label-id: $disk_uuid
start=$bios, size=2048, type=21686148-6449-6E6F-744E-656564454649, uuid=${disk_uuid%?}1, name=bios
start=$esp, size=$((esp_mib * 2048)), type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=${disk_uuid%?}2, name=esp
start=$root, size=$((root_mib * 2048)), type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, uuid=${disk_uuid%?}3, name=root
END
  dd if="$work/esp.fat" of="$work/disk.raw" bs=1M seek=$((esp / 2048)) conv=notrunc status=none
  dd if="$work/root.ext4" of="$work/disk.raw" bs=1M seek=$((root / 2048)) conv=notrunc,sparse status=none
  make_bios "$bios"
}

# One line of the manifest: what the file is, and what it unpacks to.
describe() {
  local file=$1 content=$2 kind=$3
  printf '    "%s": { "kind": "%s", "sha256": "%s", "sizeBytes": %s, "contentSha256": "%s", "contentBytes": %s }' "$(basename "$file")" "$kind" \
    "$(sha256sum "$file" | cut -c1-64)" "$(stat -c %s "$file")" "$(sha256sum "$content" | cut -c1-64)" "$(stat -c %s "$content")"
}

build() {
  local name=$1
  [ -f "$here/$name/packages" ] || [ -x "$here/$name/root.sh" ] || fail "there is no snapshot '$name' in $here"
  mkdir -p "$dir"
  local stamp; stamp=$({ printf '%s\n' "$SOURCE_DATE_EPOCH" "${KERNEL:-}" "${INCLUDE:-}"; cat "$here/build.sh" "$here/$name"/*; [ ! -x "$here/$name/root.sh" ] || cat "$out/pxeimage/lab/.stamp"; } | sha256sum | cut -c1-64)
  if [ "${FRESH:-}" != 1 ] && [ "$(cat "$dir/.$name.stamp" 2>/dev/null)" = "$stamp" ]; then say "$name is up to date in $dir"; return; fi
  work=$(mktemp -d "${TMPDIR:-/tmp}/snapshot.XXXXXX")
  if [ -x "$here/$name/root.sh" ]; then "$here/$name/root.sh" "$work/root.tar" "$out"; else make_tarball "$name"; fi
  say "$name: making the disk"
  make_root
  make_esp
  make_disk
  say "$name: compressing"
  zstd -q -f -T0 "-${LEVEL:-9}" "$work/root.tar" -o "$dir/.$name.tar.zst"
  zstd -q -f -T0 "-${LEVEL:-9}" "$work/disk.raw" -o "$dir/.$name.raw.zst"
  # Until all of it is in place nothing of it is.
  rm -f "$dir/.$name.stamp"
  for suffix in tar.zst raw.zst; do mv "$dir/.$name.$suffix" "$dir/$name.$suffix"; done
  {
    printf '{\n  "name": "%s",\n  "suite": "%s",\n  "kernel": "%s",\n  "rootUuid": "%s",\n  "rootPartition": 3,\n  "files": {\n' \
      "$name" "$suite" "$(basename "$(ls "$work"/root/boot/vmlinuz-* | tail -n 1)" | sed 's/^vmlinuz-//')" "$root_uuid"
    describe "$dir/$name.raw.zst" "$work/disk.raw" raw; printf ',\n'
    describe "$dir/$name.tar.zst" "$work/root.tar" tarball
    printf '\n  },\n  "packages": {\n'
    [ ! -f "$work/root/var/lib/dpkg/status" ] || sed -n '/^Package: /{s/^Package: //;h}; /^Version: /{s/^Version: //;H;x;s/\n/ /;p}' "$work/root/var/lib/dpkg/status" |
      sort | sed 's/^\([^ ]*\) \(.*\)$/    "\1": "\2"/; $!s/$/,/'
    printf '  }\n}\n'
  } >"$dir/$name.manifest.json"
  echo "$stamp" >"$dir/.$name.stamp"
  say "$name: $(du -h "$dir/$name.raw.zst" | cut -f1) raw ($((1 + 1 + esp_mib + root_mib + 1)) MiB), $(du -h "$dir/$name.tar.zst" | cut -f1) tarball in $dir"
  rm -rf "$work"
}

[ $# -gt 0 ] || { sed -n '2,/^set/p' "$0" | sed -n 's/^# \{0,1\}//p'; exit 64; }
need
for name in "$@"; do build "$name"; done
