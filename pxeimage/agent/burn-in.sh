# Burns this machine in: every processor computes what is known, memory is filled with patterns and read back, every disk is
# read from end to end, and what the kernel counted meanwhile is looked at. Nothing is written to any disk.
# Runs in work-run.sh: whatever fails ends the work. The order says how long: cpuSeconds, memoryPercent, memoryRounds, diskPercent.

# SHA-256 of 16 MiB of zeros.
KNOWN=080acf35a507ac9849cfcba47dc2ad83e01b75663a516279c8b9d243b719643e
BLOCK_KIB=16384
# Of a disk, read by one process: small enough to say where a disk is bad, large enough not to slow it down.
PIECE_MIB=64
SYSROOT=${SYSROOT:-}
BURN=${BURN:-/tmp/burn}

perform() {
  . "$AGENT/recon.sh"
  before=$(corrected_errors)
  step cpu 0
  burn_cpu "$(wish cpuSeconds 60)"
  step memory 30
  burn_memory "$(wish memoryPercent 70)" "$(wish memoryRounds 1)"
  step disks 60
  burn_disks "$(wish diskPercent 100)"
  step errors 99
  look_at_errors "$before"
}

# wish NAME FALLBACK: a whole number out of the order.
wish() {
  number=$(answer "$1" "$AT/order")
  case $number in '' | *[!0-9]*) echo "$2" ;; *) echo "$number" ;; esac
}

# burn_cpu SECONDS: every processor, all at once, until the time is over. One wrong digest is a fault.
burn_cpu() {
  cpus=$(grep -c '^processor' "$SYSROOT/proc/cpuinfo")
  until=$(($(seconds) + $1))
  rm -f "$AT"/cpu.*
  n=0
  while [ "$n" -lt "$cpus" ]; do
    compute "$until" >"$AT/cpu.$n" &
    n=$((n + 1))
  done
  wait
  rounds=0
  for file in "$AT"/cpu.*; do
    read -r verdict count <"$file" || fail CPU_FAILED "a processor did not come to an end"
    [ "$verdict" = ok ] || fail CPU_FAILED "a processor computed a wrong digest in round $count"
    rounds=$((rounds + count))
  done
  measured cpu-count "$cpus"
  measured cpu-rounds "$rounds"
}

compute() {
  count=0
  while :; do
    got=$(head -c $((BLOCK_KIB * 1024)) /dev/zero | sha256sum | cut -c 1-64)
    count=$((count + 1))
    [ "$got" = "$KNOWN" ] || { echo "bad $count" && return; }
    [ "$(seconds)" -lt "$1" ] || break
  done
  echo "ok $count"
}

# burn_memory PERCENT ROUNDS: that much of what is free, as blocks of patterns that are read back.
burn_memory() {
  free=$(sed -n 's/^MemAvailable: *\([0-9]*\) kB/\1/p' "$SYSROOT/proc/meminfo")
  blocks=$((${free:-0} * $1 / 100 / BLOCK_KIB))
  [ "$blocks" -gt 0 ] || blocks=1
  room_for_blocks $((blocks * BLOCK_KIB))
  round=0
  while [ "$round" -lt "$2" ]; do
    for pattern in 000 377 125 252; do
      fill "$pattern" "$blocks"
    done
    round=$((round + 1))
  done
  leave_room
  measured memory-bytes $((blocks * BLOCK_KIB * 1024))
  measured memory-patterns $((4 * $2))
}

# A file system in memory with no bound of its own, so that the whole of it can be had.
room_for_blocks() {
  mkdir -p "$BURN"
  mount -t tmpfs -o "size=$(($1 + 1024))k" burn "$BURN" || fail AGENT_FAILED "no file system in memory"
}

leave_room() { umount "$BURN"; }

# fill OCTAL BLOCKS: writes all blocks, then reads all: what fails to keep is found after the others were written.
fill() {
  rm -f "$BURN"/block.*
  expected=$(pattern "$1" | sha256sum | cut -c 1-64)
  n=0
  while [ "$n" -lt "$2" ]; do
    pattern "$1" >"$BURN/block.$n" || fail MEMORY_FAILED "block $n of $2 cannot be written"
    n=$((n + 1))
  done
  n=0
  while [ "$n" -lt "$2" ]; do
    got=$(sha256sum <"$BURN/block.$n" | cut -c 1-64)
    [ "$got" = "$expected" ] || fail MEMORY_FAILED "block $n of $2 does not hold pattern $1"
    n=$((n + 1))
  done
}

pattern() { head -c $((BLOCK_KIB * 1024)) /dev/zero | tr '\000' "\\$1"; }

# burn_disks PERCENT: that much of each disk from its start, all disks at once.
burn_disks() {
  rm -f "$AT"/disk.*
  for disk in "$SYSROOT"/sys/block/*; do
    name=$(basename "$disk")
    case $name in loop* | ram* | zram* | sr* | fd* | md* | dm-* | nbd* | mmcblk*boot*) continue ;; esac
    read -r sectors <"$disk/size" || continue
    [ "$sectors" -gt 0 ] || continue
    # 2,048 sectors of 512 bytes are a mebibyte.
    read_disk "$SYSROOT/dev/$name" $(((sectors * $1 / 100 + 2047) / 2048)) >"$AT/disk.$name" &
  done
  wait
  count=0
  for file in "$AT"/disk.*; do
    [ -e "$file" ] || break
    name=${file##*/disk.}
    read -r verdict mib took <"$file" || fail DISK_FAILED "$name was not read to the end"
    [ "$verdict" = ok ] ||
      fail DISK_FAILED "disk $name ($(of_serial "$name")) cannot be read at MiB $mib: $(sed -n '$s/.*: //p' "$AT/read.$name")"
    count=$((count + 1))
    # The form of names in the last word; the first sixteen disks are told one by one.
    [ "$count" -gt 16 ] || measured "disk-$name-mib-per-s" $((mib / (took > 0 ? took : 1)))
  done
  measured disk-count "$count"
}

# read_disk DEVICE MEBIBYTES: one line, `ok MEBIBYTES SECONDS` or `bad MEBIBYTE 0`.
read_disk() {
  name=${1##*/}
  began=$(seconds)
  at=0
  while [ "$at" -lt "$2" ]; do
    piece=$(($2 - at < PIECE_MIB ? $2 - at : PIECE_MIB))
    read_piece "$1" "$at" "$piece" || {
      echo "bad $(first_bad "$1" "$at" "$piece") 0"
      return
    }
    at=$((at + piece))
  done
  echo "ok $2 $(($(seconds) - began))"
}

read_piece() { dd if="$1" of=/dev/null bs=1048576 skip="$2" count="$3" 2>"$AT/read.${1##*/}"; }

# first_bad DEVICE FROM COUNT: the mebibyte that cannot be read; the piece's first one when each can, now.
first_bad() {
  kept=$(cat "$AT/read.${1##*/}")
  n=$2
  while [ "$n" -lt $(($2 + $3)) ]; do
    read_piece "$1" "$n" 1 || { echo "$n" && return; }
    n=$((n + 1))
  done
  echo "$kept" >"$AT/read.${1##*/}"
  echo "$2"
}

# SATA pads serials with blanks.
of_serial() {
  found=$(disk_serial "$SYSROOT/sys/block/$1" | sed 's/^ *//; s/ *$//')
  echo "serial ${found:-unknown}"
}

# corrected_errors: what the memory controllers have corrected so far.
corrected_errors() { cat "$SYSROOT"/sys/devices/system/edac/mc/mc*/ce_count 2>/dev/null | total; }

total() {
  sum=0
  while read -r count; do sum=$((sum + count)); done
  echo "$sum"
}

look_at_errors() {
  uncorrected=$(cat "$SYSROOT"/sys/devices/system/edac/mc/mc*/ue_count 2>/dev/null | total)
  measured memory-corrected $(($(corrected_errors) - $1))
  [ "$uncorrected" = 0 ] || fail MEMORY_FAILED "the memory controllers count $uncorrected errors that cannot be corrected"
  checks=$(dmesg 2>/dev/null | grep -ci 'machine check\|\[hardware error\]')
  measured machine-checks "${checks:-0}"
  [ "${checks:-0}" = 0 ] || fail CPU_FAILED "the kernel has logged $checks machine checks"
}
