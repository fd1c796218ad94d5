# Installs this machine: shows the appliance its disks, gets a plan, and carries it out, verb by verb. It chooses nothing.
# The verbs are described in docs/install.md. Runs in work-run.sh: whatever fails ends the work.

T=/mnt/target
TAB=$(printf '\t')
: "${ESP:=/mnt/esp}"
: "${BLKDISCARD:=/usr/sbin/blkdiscard}" # busybox's knows no zeros

perform() {
  step look 0
  # The kernel asks for more by itself (checksums of ext4), at this path.
  echo /bin/modprobe >/proc/sys/kernel/modprobe
  modprobe -a -q crc32c_generic ext4 vfat nls_ascii nls_cp437 efivarfs 2>/dev/null &
  drivers=$!
  disks_json >"$AT/seen.json"
  cat "$AT/seen.json"
  status=$(curl -s -m 60 -o "$AT/plan" -w '%{http_code}' -H 'Content-Type: application/json' \
    --data-binary "@$AT/seen.json" "$APPLIANCE/agent/$WORK/plan")
  if [ "$status" != 200 ]; then
    code=$(sed -n 's/.*"code":"\([A-Z0-9_]*\)".*/\1/p' "$AT/plan")
    fail "${code:-AGENT_FAILED}" "$(sed -n 's/.*"detail":"\([^"]*\)".*/\1/p' "$AT/plan" | grep . || echo "no plan, status $status")"
  fi
  [ "$(head -n 1 "$AT/plan")" = "plan${TAB}1" ] || fail AGENT_FAILED "the plan is not of a version that this agent knows"
  wait "$drivers"
  # By a descriptor of its own: a program in the loop must not eat the rest of the plan.
  while IFS=$TAB read -r verb a b c d e f g <&3; do
    printf '%.160s\n' "-- $verb ${a:-} ${b:-} ${c:-}"
    case $verb in
      plan) ;;
      step) step "$a" "$b" ;;
      disk) claim "$a" "$b" "$c" ;;
      clear) clear_disk "$a" ;;
      table) make_table "$a" "$b" ;;
      raid) make_raid "$a" "$b" "$c" "$d" ;;
      lvm) make_group "$a" "$b" ;;
      volume) make_volume "$a" "$b" "$c" ;;
      mkfs) make_fs "$a" "$b" "$c" "$d" ;;
      swap) mkswap -U "$b" "$a" || fail DISK_FAILED "swap could not be made on $a" ;;
      mount) mount_at "$a" "$b" ;;
      raw) write_raw "$a" "$b" "$c" "$d" "$e" "$f" "$g" ;;
      untar) copy "$a" "$b" "$c" 75 /usr/sbin/tar -x -C "$T" --numeric-owner --xattrs --xattrs-include='*' -f - ;;
      grow) grow "$a" ;;
      file) write_file "$a" "$b" "$c" ;;
      link) mkdir -p "$T${a%/*}" && ln -sfn "$b" "$T$a" || fail DISK_FAILED "$a" ;;
      # Beside what else is written: making a key and starting OpenSSH for it takes as long as all of that.
      hostkeys) host_keys & host_keys=$! ;;
      initramfs) initramfs "$a" "${b:-}" ;;
      boot-bios) boot_bios "$a" ;;
      boot-uefi) boot_uefi ;;
      esp-copy) esp_copy "$a" ;;
      network-first) network_first ;;
      verify) verify "$a" "${b:-}" ;;
      *) fail AGENT_FAILED "the plan has a verb that this agent does not know: $verb" ;;
    esac || fail AGENT_FAILED "$verb ${a:-}: $(tail -n 1 "$AT/log")"
  done 3<"$AT/plan"
}

disks_json() {
  RECON_ONLY_FUNCTIONS=1
  SYSROOT=
  . "$AGENT/recon.sh"
  mode=bios
  [ -d /sys/firmware/efi ] && mode=uefi
  {
    str bootMode "$mode"
    printf '"disks":%s\n' "$(disk_section)"
  } | object
}

text_of() {
  [ "$1" = - ] || base64 -d <<END
$1
END
}

# claim DEVICE BYTES SERIAL: it is the disk that the plan was made for.
claim() {
  name=${1#/dev/}
  [ -b "$1" ] || fail DISK_FAILED "$1 has gone"
  read -r sectors <"/sys/block/$name/size"
  [ $((sectors * 512)) = "$2" ] || fail DISK_FAILED "$1 has another size than it had"
  [ "$(quoted "$(disk_serial "/sys/block/$name")")" = "\"$(text_of "$3")\"" ] || fail DISK_FAILED "$1 has another serial than it had"
  measured disk "$name $(text_of "$3")"
}

partitions_of() {
  name=${1#/dev/}
  for part in /sys/block/"$name"/"$name"*; do [ -e "$part/partition" ] && echo "/dev/${part##*/}"; done
  return 0
}

# Nothing of what was there may be found again: old arrays, volume groups and file systems would be assembled over the new.
clear_disk() {
  umount_all
  # A group without a volume at work holds nothing.
  for volume in /sys/block/dm-*; do [ ! -e "$volume" ] || lvm_do vgchange -q -an >/dev/null 2>&1; done
  for array in /dev/md[0-9]*; do [ -b "$array" ] && mdadm --stop "$array" 2>&1; done
  for part in $(partitions_of "$1"); do
    wipefs -q -a -f "$part" || dd if=/dev/zero of="$part" bs=1M count=1 2>/dev/null
  done
  wipefs -q -a -f "$1" 2>&1
  # The first error of a disk that cannot be written is here, before anything else is lost on others.
  dd if=/dev/zero of="$1" bs=1M count=4 conv=fsync 2>"$AT/dd" || fail DISK_FAILED "$1 cannot be written: $(tail -n 1 "$AT/dd")"
  blockdev --rereadpt "$1" 2>&1
  return 0
}

make_table() {
  text_of "$2" | sfdisk -q --wipe always --wipe-partitions always "$1" || fail DISK_FAILED "$1 does not take a partition table"
  wait_for_parts "$1"
}

wait_for_parts() {
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    [ -n "$(partitions_of "$1")" ] && return 0
    sleep 1
    blockdev --rereadpt "$1" 2>&1
  done
  fail DISK_FAILED "the partitions of $1 do not appear"
}

make_raid() {
  modprobe -q raid1
  mdadm --create "$1" --run --quiet --level=1 --metadata=1.2 --homehost=any --name="$2" --raid-devices=2 "$3" "$4" ||
    fail DISK_FAILED "no mirror of $3 and $4"
  # Both halves get all that is written from now on. What they held before is made alike by the system that starts from them, which
  # reads in their superblocks that it has to be: beside the copy it would take the disks away from it.
  echo frozen >"${SYS:-/sys}/block/${1#/dev/}/md/sync_action" || echo "$1 is made alike at once: its synchronisation does not stop"
}

# No udev here: LVM makes its own nodes.
lvm_do() { lvm "$@" --config 'activation { udev_sync = 0 udev_rules = 0 }'; }

make_group() {
  modprobe -q dm_mod
  lvm_do pvcreate -q -ff -y "$2" && lvm_do vgcreate -q "$1" "$2" || fail DISK_FAILED "no volume group on $2"
}

make_volume() {
  if [ "$3" = 0 ]; then size="-l 100%FREE"; else size="-L ${3}m"; fi
  # shellcheck disable=SC2086
  lvm_do lvcreate -q -y -W n -Z n $size -n "$2" "$1"
  [ -b "/dev/$1/$2" ] || fail DISK_FAILED "no volume $2 in $1"
}

make_fs() {
  case $1 in
    vfat) /usr/sbin/mkfs.vfat -i "$3" -n "$4" "$2" >/dev/null ;;
    # Without what the GRUB of the systems that we install cannot read.
    ext4) /usr/sbin/mkfs.ext4 -q -F -U "$3" -L "$4" -O ^metadata_csum_seed,^orphan_file -E lazy_itable_init=1,lazy_journal_init=1,nodiscard "$2" ;;
    xfs) modprobe -q xfs && /usr/sbin/mkfs.xfs -q -f -m uuid="$3" -L "$4" "$2" ;;
  esac || fail DISK_FAILED "no file system $1 on $2"
}

mount_at() {
  mkdir -p "$T$2"
  mount "$1" "$T$2" || fail DISK_FAILED "$1 cannot be mounted"
  echo "$1 $2" >>"$AT/mounts"
}

umount_all() {
  # Deepest first; what the chroot needed goes with it.
  for place in $(awk -v t="$T" 'index($2, t) == 1 { print $2 }' /proc/mounts | sort -r); do umount "$place" || return 1; done
  return 0
}

# zeroed DEVICE BYTES: the disk itself makes them zeros, without being sent any, so that those of an image need not be written. The
# kernel answers for what it then reads (BLKZEROOUT, and it knows the firmware that lies); three places are looked at all the same. A
# spinning disk would turn for it as long as for writing. Virtio says of all disks that they spin.
zeroed() {
  queue=${SYS:-/sys}/block/${1#/dev/}/queue
  read -r spins <"$queue/rotational" && read -r at_once <"$queue/write_zeroes_max_bytes" || return 1
  case $1 in /dev/vd*) spins=0 ;; esac
  [ "$spins" = 0 ] && [ "$at_once" -gt 0 ] || return 1
  "$BLKDISCARD" -f -z -o 0 -l $((($2 + 4095) / 4096 * 4096)) "$1" || return 1
  for block in 0 $(($2 / 8192)) $((($2 - 1) / 4096)); do
    dd if="$1" bs=4096 skip="$block" count=1 2>/dev/null | cmp -s -n 4096 - /dev/zero || return 1
  done
}

# write_raw DEVICE SHA256 SIZE COMPRESSION CONTENT-SHA256 CONTENT-SIZE sample|full
write_raw() {
  case $4 in
    zstd)
      sparse=
      ! zeroed "$1" "$6" || sparse=--sparse
      copy "$2" "$3" "$4" 80 onto "$1" $sparse
      ;;
    *) copy "$2" "$3" "$4" 80 dd of="$1" bs=1M iflag=fullblock conv=fsync ;;
  esac
  if [ "$7" = full ]; then
    echo 3 >/proc/sys/vm/drop_caches
    got=$(dd if="$1" bs=1M iflag=fullblock,count_bytes count="$6" 2>/dev/null | digest)
    [ "$got" = "$5" ] || fail DISK_FAILED "what was read back from $1 has SHA-256 $got, not $5"
  fi
  blockdev --rereadpt "$1" 2>&1
  wait_for_parts "$1"
}

# The last partition takes what is left; then whatever holds a system is mounted.
grow() {
  sfdisk -q --relocate gpt-bak-std "$1" 2>&1
  last=$(partitions_of "$1" | sort -V | tail -n 1)
  number=$(cat "/sys/class/block/${last#/dev/}/partition")
  echo ', +' | sfdisk -q -N "$number" --no-reread --force "$1" || fail DISK_FAILED "partition $number of $1 does not grow"
  blockdev --rereadpt "$1" || fail DISK_FAILED "$1 does not show its new table"
  wait_for_parts "$1"
  mkdir -p "$T"
  root=
  # The last first: it is the one that can be grown.
  for part in $(partitions_of "$1" | sort -rV); do
    # What ext4 does in the background for groups that are new to it is left to the system that starts from there.
    mount -t ext4 -o noinit_itable "$part" "$T" 2>/dev/null || mount "$part" "$T" 2>/dev/null || continue
    if [ -e "$T/etc/os-release" ]; then
      root=$part
      break
    fi
    umount "$T"
  done
  [ -n "$root" ] || fail INSTALL_UNVERIFIED "no partition of the image holds a system"
  echo "$root /" >>"$AT/mounts"
  if [ "$root" = "$last" ] && grep -q " $T ext4 " /proc/mounts; then
    resize2fs "$root" || fail DISK_FAILED "the file system of $root does not grow"
  fi
}

# With as few processes as it takes: there are a dozen of these.
write_file() {
  [ -d "$T${1%/*}" ] || mkdir -p "$T${1%/*}"
  [ ! -e "$T$1" ] && [ ! -L "$T$1" ] || rm -f "$T$1"
  text_of "$3" >"$T$1" && chmod "$2" "$T$1" || fail DISK_FAILED "$1 cannot be written"
  case $1 in /root/.ssh/*) chmod 700 "$T/root/.ssh" ;; esac
  echo "$1" >>"$AT/files"
}

host_keys() {
  [ -x "$T/usr/bin/ssh-keygen" ] || return 0
  rm -f "$T"/etc/ssh/ssh_host_*
  made=$(chroot "$T" /usr/bin/ssh-keygen -t ed25519 -N '' -C "$(cat "$T/etc/hostname")" -f /etc/ssh/ssh_host_ed25519_key) || return 1
  measured ssh-host-key "$(echo "$made" | sed -n 's/^\(SHA256:[^ ]*\) .*/\1/p')"
}

inside() {
  for place in dev proc sys; do grep -q " $T/$place " /proc/mounts || mount --bind "/$place" "$T/$place" || return 1; done
  PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C chroot "$T" "$@"
}

initramfs() {
  for need in "$@"; do
    case $need in
      mdadm)
        [ -x "$T/sbin/mdadm" ] || fail INSTALL_UNVERIFIED "the image has no mdadm, without which it cannot start from a mirror"
        mkdir -p "$T/etc/mdadm" && mdadm --detail --scan >>"$T/etc/mdadm/mdadm.conf"
        ;;
      lvm2) [ -x "$T/sbin/lvm" ] || fail INSTALL_UNVERIFIED "the image has no LVM, without which it cannot start from a volume" ;;
    esac
  done
  inside update-initramfs -u -k all || fail INSTALL_UNVERIFIED "the initramfs could not be made"
}

boot_bios() {
  if [ ! -d "$T/usr/lib/grub/i386-pc" ]; then
    [ -d /sys/firmware/efi ] || fail INSTALL_UNVERIFIED "the image has no GRUB for BIOS machines"
    return 0
  fi
  inside grub-install --target=i386-pc --no-floppy "$1" || fail INSTALL_UNVERIFIED "GRUB does not install on $1"
}

# The removable path is what firmware tries without being told: no entry of its own that could come before the network.
boot_uefi() {
  if [ -d "$T/usr/lib/grub/x86_64-efi" ]; then
    inside grub-install --target=x86_64-efi --efi-directory=/boot/efi --removable --no-nvram ||
      fail INSTALL_UNVERIFIED "GRUB does not install on the EFI system partition"
  elif [ -d /sys/firmware/efi ]; then
    fail INSTALL_UNVERIFIED "the image has no GRUB for UEFI machines"
  fi
  inside env GRUB_DISABLE_OS_PROBER=true grub-mkconfig -o /boot/grub/grub.cfg || fail INSTALL_UNVERIFIED "grub.cfg could not be made"
}

esp_copy() {
  mkdir -p "$ESP" && mount "$1" "$ESP" && cp -r "$T/boot/efi/." "$ESP/" && umount "$ESP" || fail DISK_FAILED "$1"
}

# is_signed FILE: an image for UEFI has somebody's signature; whose, its firmware judges. Its optional header is behind 24 bytes of others,
# at the place that the word at 60 says; there, at 148, is the size of the certificate table (PE format, optional header of PE32+).
is_signed() {
  header=$(word_at "$1" 60) && [ "${header:-0}" -gt 0 ] && size=$(word_at "$1" $((header + 24 + 148))) && [ "${size:-0}" -gt 0 ]
}

word_at() { od -An -tu4 -j "$2" -N 4 "$1" 2>/dev/null | tr -d ' '; }

# may_start FILE: what nobody has signed is not started where Secure Boot is on. Firmware starts it if its SHA-256 is itself in `db`, too;
# that list is not read here, so such an image is refused.
may_start() {
  [ "$(secure_boot)" != 1 ] || is_signed "$1"
}
UNSIGNED='Secure Boot is on, and the loader of the image has no signature: it needs a shim (EFI/BOOT/BOOTX64.EFI)'

# has_loader DISK: where firmware looks that was not told of any. Leaves in `startable` whether that may be started.
has_loader() {
  mkdir -p "$ESP"
  for part in $(partitions_of "$1"); do
    mount -t vfat -o ro "$part" "$ESP" 2>/dev/null || continue
    loader=$(ls "$ESP/EFI/BOOT/BOOTX64.EFI" 2>/dev/null)
    startable=1
    [ -z "$loader" ] || may_start "$loader" || startable=0
    umount "$ESP"
    [ -z "$loader" ] || return 0
  done
  return 1
}

# Network entries go before all others: the next netboot must not depend on who wrote the order last. A firmware that does
# not keep it is noted, and no reason to fail: the BMC asks for the network each time (one-time boot device).
network_first() {
  grep -q efivarfs /proc/mounts || mount -t efivarfs efivarfs /sys/firmware/efi/efivars || return 0
  efibootmgr >"$AT/boot-order" 2>&1 || return 0
  cat "$AT/boot-order"
  wanted=$(boot_order <"$AT/boot-order")
  now=$(sed -n 's/^BootOrder: //p' "$AT/boot-order")
  if [ -n "$wanted" ] && [ "$wanted" != "$now" ]; then
    efibootmgr -q -o "$wanted" || echo "the firmware does not take the boot order $wanted"
    now=$(efibootmgr | sed -n 's/^BootOrder: //p')
  fi
  measured boot-order "$now"
  [ "$wanted" = "$now" ] || measured boot-order-wanted "$wanted"
}

# boot_order < efibootmgr's list: the same entries, those of the network first, each kind in the order that it had.
boot_order() {
  awk '
    /^BootOrder: / { n = split($2, order, ",") }
    /^Boot[0-9A-F][0-9A-F][0-9A-F][0-9A-F][* ]/ {
      id = substr($1, 5, 4)
      if (tolower($0) ~ /pxe|http|network|ipv4|ipv6|mac\(|ethernet|nic /) net[id] = 1
    }
    END {
      for (pass = 1; pass >= 0; pass--)
        for (i = 1; i <= n; i++) if (((order[i] in net) ? 1 : 0) == pass) out = out (out == "" ? "" : ",") order[i]
      print out
    }'
}

# What was written is read back from the disk and not from memory: hashes before and after, file systems checked in between.
verify() {
  if [ -n "${host_keys:-}" ]; then wait "$host_keys" || fail INSTALL_UNVERIFIED "no SSH host key could be made"; fi
  sync
  : >"$AT/check"
  kernel=$(ls "$T"/boot/vmlinuz-* "$T"/boot/vmlinuz 2>/dev/null | tail -n 1)
  initrd=$(ls "$T"/boot/initrd.img-* "$T"/boot/initramfs-* "$T"/boot/initrd* 2>/dev/null | tail -n 1)
  grub=$(ls "$T/boot/grub/grub.cfg" "$T/boot/grub2/grub.cfg" 2>/dev/null | head -n 1)
  for file in "$kernel" "$initrd" "$grub"; do
    [ -n "$file" ] && [ -s "$file" ] || fail INSTALL_UNVERIFIED "the system has no kernel, no initramfs or no grub.cfg"
  done
  [ -x "$T/sbin/init" ] || [ -L "$T/sbin/init" ] || fail INSTALL_UNVERIFIED "the system has no /sbin/init"
  if [ "$1" = tarball ]; then
    [ ! -d /sys/firmware/efi ] || [ -s "$T/boot/efi/EFI/BOOT/BOOTX64.EFI" ] || fail INSTALL_UNVERIFIED "the EFI system partition has no loader"
    [ ! -d /sys/firmware/efi ] || may_start "$T/boot/efi/EFI/BOOT/BOOTX64.EFI" || fail INSTALL_UNVERIFIED "$UNSIGNED"
    uuid=$(awk '$2 == "/" { sub(/^UUID=/, "", $1); print $1 }' "$T/etc/fstab")
    grep -q "$uuid" "$grub" || grep -q 'root=/dev/mapper/\|root=/dev/md' "$grub" || fail INSTALL_UNVERIFIED "grub.cfg does not name the root file system $uuid"
  elif [ -d /sys/firmware/efi ]; then
    has_loader "$2" || fail INSTALL_UNVERIFIED "no partition of the image has a loader for UEFI (EFI/BOOT/BOOTX64.EFI)"
    [ "$startable" = 1 ] || fail INSTALL_UNVERIFIED "$UNSIGNED"
  fi
  # Of a raw image's own files nothing is known but what the disk says: what was copied is read, what was written is compared.
  sort -u "$AT/files" >"$AT/check"
  if [ "$1" = tarball ]; then printf '%s\n' "${kernel#"$T"}" "${initrd#"$T"}" "${grub#"$T"}" >>"$AT/check"; fi
  sums >"$AT/sums.before" || fail DISK_FAILED "a file that was written cannot be read"
  umount_all || fail INSTALL_UNVERIFIED "the file systems are still in use"
  echo 3 >/proc/sys/vm/drop_caches
  while read -r device _; do
    case $(blkid_type "$device") in
      ext4) /usr/sbin/e2fsck -f -n "$device" || fail DISK_FAILED "the file system on $device is damaged" ;;
    esac
  done <"$AT/mounts"
  while read -r device path; do mount -o ro "$device" "$T$path" || fail DISK_FAILED "$device cannot be mounted again"; done <"$AT/mounts"
  sums >"$AT/sums.after" || fail DISK_FAILED "a file that was written cannot be read back"
  cat "$kernel" "$initrd" "$grub" >/dev/null || fail DISK_FAILED "the kernel or its initramfs cannot be read back"
  cmp -s "$AT/sums.before" "$AT/sums.after" || fail DISK_FAILED "files read back from the disk differ from what was written"
  umount_all && sync
  step verified 100
}

# Against a disk that reads back something else, not against a forger: MD5 takes a third of the time of SHA-256 here.
sums() { sed "s|^|$T|" "$AT/check" | tr '\n' '\000' | xargs -0 md5sum; }

# ext2, 3 and 4 say so at byte 1080 (0xef53).
blkid_type() {
  [ "$(dd if="$1" bs=1 skip=1080 count=2 2>/dev/null | od -An -tx1 | tr -d ' \n')" = 53ef ] && echo ext4 || echo other
}
