# Erases every disk of this machine: shows the appliance its disks and what they can do, gets a plan, and carries it out, all
# disks at once. It chooses nothing. The verbs and methods are described in docs/recycle.md. Runs in work-run.sh.
#
# A method counts when the marker that was written into the sampled blocks, and read back from the medium, is in none of
# them afterwards, whatever the disk reported. Each disk is told of when it is over; one that is not clean does not keep the
# others from being erased, but in the end it fails the work.

TAB=$(printf '\t')
BLOCK=4096
: "${POLL_SECONDS:=5}"
. "$AGENT/recycle-methods.sh"

perform() {
  step look 0
  modprobe -a -q efivarfs 2>/dev/null
  let_go
  RECON_ONLY_FUNCTIONS=1
  SYSROOT=
  . "$AGENT/recon.sh"
  disks_with_offers >"$AT/seen.json"
  cat "$AT/seen.json"
  status=$(curl -s -m 60 -o "$AT/plan" -w '%{http_code}' -H 'Content-Type: application/json' \
    --data-binary "@$AT/seen.json" "$APPLIANCE/agent/$WORK/plan")
  if [ "$status" != 200 ]; then
    code=$(sed -n 's/.*"code":"\([A-Z0-9_]*\)".*/\1/p' "$AT/plan")
    fail "${code:-AGENT_FAILED}" "$(sed -n 's/.*"detail":"\([^"]*\)".*/\1/p' "$AT/plan" | grep . || echo "no plan, status $status")"
  fi
  [ "$(head -n 1 "$AT/plan")" = "plan${TAB}1" ] || fail AGENT_FAILED "the plan is not of a version that this agent knows"
  while IFS=$TAB read -r verb a b c d e f <&3; do
    echo "-- $verb ${a:-} ${b:-}" | cut -c 1-160
    case $verb in
      plan) ;;
      step) step "$a" "$b" ;;
      marker) make_marker "$a" ;;
      erase) erase_in_background "$a" "$b" "$c" "$d" "$e" "$f" ;;
      wait) wait_for_disks ;;
      boot-entries) boot_entries ;;
      tpm) clear_tpm ;;
      *) fail AGENT_FAILED "the plan has a verb that this agent does not know: $verb" ;;
    esac
  done 3<"$AT/plan"
}

# Nothing may hold a disk, or write to it behind our back.
let_go() {
  swapoff -a 2>/dev/null
  command -v lvm >/dev/null && lvm vgchange -q -an --config 'activation { udev_sync = 0 udev_rules = 0 }' >/dev/null 2>&1
  for array in /dev/md[0-9]*; do [ -b "$array" ] && mdadm --stop "$array" 2>&1; done
  return 0
}

# The disks as in the recon report, each with the methods that it says it has.
disks_with_offers() {
  mode=bios
  [ -d /sys/firmware/efi ] && mode=uefi
  {
    str bootMode "$mode"
    printf '"disks":['
    first=1
    disk_section | sed 's/^\[//; s/\]$//; s/},{/}\n{/g' | while read -r disk; do
      [ -n "$disk" ] || continue
      name=$(printf '%s' "$disk" | sed -n 's/.*"name":"\([a-z0-9]*\)".*/\1/p')
      [ "$first" = 1 ] || printf ','
      first=0
      printf '%s,"offers":%s}' "${disk%\}}" "$(offers_of "/dev/$name" | sed 's/.*/"&"/' | array)"
    done
    printf ']\n'
  } | object
}

text_of() { [ "$1" = - ] || printf '%s' "$1" | base64 -d; }

# One block: the marker over and over.
make_marker() {
  text=$(text_of "$1")
  while :; do echo "$text"; done 2>/dev/null | head -c "$BLOCK" >"$AT/marker"
  head -c "$BLOCK" /dev/zero >"$AT/zeros"
  : >"$AT/disks"
}

erase_in_background() {
  name=${1##*/}
  # A file of its own for each: they all write at once.
  (erase_disk "$@") >"$AT/log.$name" 2>&1 &
  echo "$name $!" >>"$AT/disks"
}

# wait_for_disks: all of them, telling how far the slowest is. One that is not clean fails the work.
wait_for_disks() {
  while read -r name pid; do
    while kill -0 "$pid" 2>/dev/null; do
      tell_erasing
      sleep 1
    done
    wait "$pid"
    echo "== $name"
    cat "$AT/log.$name"
  done <"$AT/disks"
  bad=
  while read -r name _; do
    [ -e "$AT/clean.$name" ] || bad="$bad $name: $(cat "$AT/why.$name" 2>/dev/null || echo 'its eraser has died');"
  done <"$AT/disks"
  [ -z "$bad" ] || fail DISK_FAILED "not clean:${bad%;}"
}

tell_erasing() {
  lowest=100
  while read -r disk _; do
    [ -e "$AT/clean.$disk" ] && continue
    at=$(cat "$AT/percent.$disk" 2>/dev/null || echo 0)
    [ "$at" -lt "$lowest" ] && lowest=$at
  done <"$AT/disks"
  echo $((2 + lowest * 94 / 100)) >"$AT/percent"
}

# erase_disk DEVICE BYTES SERIAL METHODS BLOCKS full|sample
erase_disk() {
  device=$1 size=$2 serial=$(text_of "$3") blocks=$5 depth=$6
  name=${device##*/} began=$(seconds) tried= samples=0 whole=
  for method in $(echo "$4" | tr , ' '); do
    [ "$method" != - ] || { tried="it has no method of the level that is asked for"; break; }
    is_the_disk || break
    opened || break
    write_markers || { tried="$tried it cannot be written: $(dd_says);"; break; }
    echo "$name: $method"
    if ! run_method "$method" >"$AT/out.$name" 2>&1; then
      cat "$AT/out.$name"
      tried="$tried $method: $(tail -n 1 "$AT/out.$name" | cut -c 1-120);"
      continue
    fi
    cat "$AT/out.$name"
    if check "$method"; then
      : >"$AT/clean.$name"
      tell_erased true "$method" "${tried# }"
      return 0
    fi
    tried="$tried $method: $left;"
  done
  echo "${tried# }" >"$AT/why.$name"
  tell_erased false '' "${tried# }"
  return 1
}

# Still the disk that the plan was made for.
is_the_disk() {
  sectors=$(cat "/sys/block/$name/size" 2>/dev/null)
  now=$(awk -v n="${sectors:-0}" 'BEGIN { printf "%.0f", n * 512 }')
  [ "$now" = "$size" ] && [ "$(quoted "$(disk_serial "/sys/block/$name")")" = "$(quoted "$serial")" ] && return 0
  tried="$tried $device is another disk than it was;"
  return 1
}

# An ATA disk that was left locked by an erase that broke off is opened; what its firmware hides is brought back.
opened() {
  command -v hdparm >/dev/null || return 0
  case $device in /dev/sd*) ;; *) return 0 ;; esac
  hdparm -I "$device" >"$AT/identity.$name" 2>/dev/null || return 0
  if security_of | grep -q '^[[:space:]]*locked$'; then
    for word in "$ATA_PASSWORD" NULL ''; do
      hdparm --user-master u --security-unlock "$word" "$device" >/dev/null 2>&1 &&
        hdparm --user-master u --security-disable "$word" "$device" >/dev/null 2>&1 && break
    done
    hdparm -I "$device" >"$AT/identity.$name" 2>/dev/null
    if security_of | grep -q '^[[:space:]]*locked$'; then
      tried="$tried it is locked by a password that nobody here knows;"
      return 1
    fi
  fi
  if hdparm -N "$device" 2>/dev/null | grep -q 'HPA is enabled'; then
    tried="$tried a part of it is hidden (HPA);"
    return 1
  fi
  return 0
}

security_of() { sed -n '/^Security:/,/^[A-Z]/p' "$AT/identity.$name"; }

# From the medium, not from what Linux remembers of it.
forget_cache() {
  sync
  blockdev --flushbufs "$device" 2>/dev/null
  return 0
}

read_block() { dd if="$device" of="$AT/block.$name" bs="$BLOCK" skip="$1" count=1 2>"$AT/dd.$name"; }

# The error in what dd has told, without its counts.
dd_says() { grep -v -E '^[0-9]|records|copied' "$AT/dd.$name" | tail -n 1; }

write_markers() {
  for block in $(echo "$blocks" | tr , ' '); do
    dd if="$AT/marker" of="$device" bs="$BLOCK" seek="$block" count=1 conv=notrunc 2>"$AT/dd.$name" || return 1
  done
  forget_cache
  samples=0
  for block in $(echo "$blocks" | tr , ' '); do
    read_block "$block" || return 1
    cmp -s "$AT/block.$name" "$AT/marker" || { echo "block $block did not keep what was written" >"$AT/dd.$name"; return 1; }
    samples=$((samples + 1))
  done
}

# check METHOD: no sampled block holds the marker; after zeros, all of them hold zeros, and with `full` every block.
check() {
  forget_cache
  for block in $(echo "$blocks" | tr , ' '); do
    read_block "$block" || { left="block $block cannot be read"; return 1; }
    [ "$(wc -c <"$AT/block.$name")" = "$BLOCK" ] || { left="block $block cannot be read"; return 1; }
    if [ "$1" = overwrite ]; then
      cmp -s "$AT/block.$name" "$AT/zeros" || { left="block $block is not zero"; return 1; }
    elif cmp -s "$AT/block.$name" "$AT/marker"; then
      left="it reported success and block $block holds what was there before"
      return 1
    fi
  done
  whole=0
  [ "$depth" = full ] && [ "$1" = overwrite ] || return 0
  cmp -n "$size" "$device" /dev/zero >/dev/null 2>&1 || { left="not every block is zero"; return 1; }
  whole=1
}

tell_erased() {
  {
    str name "$name"
    str serial "$serial"
    str model "$(first_line "/sys/block/$name/device/model")"
    str interface "$(disk_interface "$(readlink -f "/sys/block/$name")/")"
    num sizeBytes "$size"
    str method "$2"
    printf '"ok":%s\n' "$1"
    str detail "$3"
    num seconds $(($(seconds) - began))
    num samples "$samples"
    bool full "${whole:-0}"
  } | object >"$AT/erased.$name.json"
  cat "$AT/erased.$name.json"
  TRIES=60 post "$AT/erased.$name.json" "agent/$WORK/erased" "$AT/answer.$name"
}

# What an old system left in the firmware would be tried first at the next boot.
boot_entries() {
  command -v efibootmgr >/dev/null && [ -d "$SYSROOT/sys/firmware/efi/efivars" ] || return 0
  mountpoint -q /sys/firmware/efi/efivars 2>/dev/null || mount -t efivarfs efivarfs /sys/firmware/efi/efivars 2>/dev/null
  efibootmgr -v 2>/dev/null | sed -n 's/^Boot\([0-9A-Fa-f]\{4\}\)[* ].*HD(.*File(.*/\1/p' | while read -r entry; do
    efibootmgr -q -b "$entry" -B && echo "boot entry $entry is removed"
  done
  return 0
}

# Asked of the firmware, which does it at the next boot (TCG PPI, operation 22: clear, then enable and activate).
clear_tpm() {
  [ -w "$SYSROOT/sys/class/tpm/tpm0/ppi/request" ] || return 0
  echo 22 >"$SYSROOT/sys/class/tpm/tpm0/ppi/request" || fail AGENT_FAILED "the firmware does not take the order to clear the TPM"
  measured tpm asked
}
