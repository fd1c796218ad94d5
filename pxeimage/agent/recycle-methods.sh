# What disks can do to erase themselves, and how each is told to: NVMe, ATA, SCSI, and overwriting for all. A part of
# recycle.sh, which proves afterwards what was done; nothing here is believed. The methods' names are those of docs/recycle.md.

# What an ATA disk is locked with while it is being erased: known, so that one whose erase was broken off can be opened.
ATA_PASSWORD=reveille

# offers_of DEVICE: one method a line.
offers_of() {
  case $1 in
    /dev/nvme*) nvme_offers "$(controller_of "$1")" ;;
    /dev/sd*) ata_offers "$1" || scsi_offers "$1" ;;
  esac
}

# The controller is what sysfs says, not what the name suggests: nvme0n1 may belong to nvme1.
controller_of() {
  real=$(readlink -f "/sys/block/${1#/dev/}/device")
  case $real in */nvme-subsystem/*) real=$(ls -d "$real"/nvme[0-9]* 2>/dev/null | head -n 1) ;; esac
  echo "/dev/${real##*/}"
}

# hex_bit VALUE BIT
hex_bit() { [ $((($1 >> $2) & 1)) = 1 ]; }

nvme_offers() {
  command -v nvme >/dev/null || return 0
  nvme id-ctrl "$1" >"$AT/ctrl" 2>/dev/null || return 0
  value() { sed -n "s/^$1 *: *//p" "$AT/ctrl" | head -n 1; }
  sanicap=$(value sanicap) fna=$(value fna) oacs=$(value oacs)
  hex_bit "${sanicap:-0}" 1 && echo nvme-sanitize-block
  hex_bit "${sanicap:-0}" 0 && echo nvme-sanitize-crypto
  if hex_bit "${oacs:-0}" 1; then
    hex_bit "${fna:-0}" 2 && echo nvme-format-crypto
    echo nvme-format-user
  fi
  return 0
}

ata_offers() {
  command -v hdparm >/dev/null && hdparm -I "$1" >"$AT/identity" 2>/dev/null && grep -q '^Commands/features' "$AT/identity" || return 1
  grep -q 'BLOCK_ERASE_EXT' "$AT/identity" && echo ata-sanitize-block
  grep -q 'CRYPTO_SCRAMBLE_EXT' "$AT/identity" && echo ata-sanitize-crypto
  grep -q 'OVERWRITE_EXT' "$AT/identity" && echo ata-sanitize-overwrite
  if sed -n '/^Security:/,/^[A-Z]/p' "$AT/identity" | grep -q '^[[:space:]]*supported$'; then
    grep -q 'supported: enhanced erase' "$AT/identity" && ! grep -q 'not[[:space:]]*supported: enhanced erase' "$AT/identity" && echo ata-secure-enhanced
    echo ata-secure
  fi
  return 0
}

# A SCSI disk says which of these it has by refusing the others: they cost a moment.
scsi_offers() {
  command -v sg_sanitize >/dev/null || return 0
  [ -e "$SYSROOT/sys/block/${1#/dev/}/device/vpd_pg80" ] || return 0
  printf '%s\n' scsi-sanitize-block scsi-sanitize-crypto scsi-sanitize-overwrite scsi-format
}

run_method() {
  case $1 in
    nvme-sanitize-block) nvme_sanitize 2 ;;
    nvme-sanitize-crypto) nvme_sanitize 4 ;;
    nvme-format-crypto) nvme format "$device" -s 2 -f ;;
    nvme-format-user) nvme format "$device" -s 1 -f ;;
    ata-sanitize-block) ata_sanitize --sanitize-block-erase ;;
    ata-sanitize-crypto) ata_sanitize --sanitize-crypto-scramble ;;
    ata-sanitize-overwrite) ata_sanitize "--sanitize-overwrite hex:00000000" ;;
    ata-secure-enhanced) ata_secure --security-erase-enhanced ;;
    ata-secure) ata_secure --security-erase ;;
    scsi-sanitize-block) sg_sanitize --block --quick --wait "$device" ;;
    scsi-sanitize-crypto) sg_sanitize --crypto --quick --wait "$device" ;;
    scsi-sanitize-overwrite) sg_sanitize --overwrite --zero --quick --wait "$device" ;;
    scsi-format) sg_format --format --quick "$device" ;;
    overwrite) overwrite ;;
    *) echo "this agent does not know $1"; return 1 ;;
  esac
}

# nvme_sanitize ACTION: of the whole subsystem. It goes on whatever happens to us; until it is over the disk takes nothing.
nvme_sanitize() {
  controller=$(controller_of "$device")
  nvme sanitize "$controller" -a "$1" || return 1
  while :; do
    nvme sanitize-log "$controller" >"$AT/sanitize.$name" 2>&1 || { sleep "$POLL_SECONDS"; continue; }
    status=$(sed -n 's/.*(SSTAT) *: *//p' "$AT/sanitize.$name" | head -n 1)
    progress=$(sed -n 's/.*(SPROG) *: *\([0-9]*\).*/\1/p' "$AT/sanitize.$name" | head -n 1)
    echo $((${progress:-0} * 100 / 65536)) >"$AT/percent.$name"
    case $((${status:-2} & 7)) in
      1 | 4) return 0 ;;
      2) sleep "$POLL_SECONDS" ;;
      *)
        echo "sanitize has failed (status ${status:-none})"
        return 1
        ;;
    esac
  done
}

ata_sanitize() {
  # shellcheck disable=SC2086
  hdparm --yes-i-know-what-i-am-doing $1 "$device" || return 1
  while :; do
    hdparm --sanitize-status "$device" >"$AT/sanitize.$name" 2>&1 || return 1
    case $(cat "$AT/sanitize.$name") in
      *'In Process'*) sleep "$POLL_SECONDS" ;;
      *'Completed Without Error'* | *'Completed without error'*) return 0 ;;
      *) cat "$AT/sanitize.$name"; return 1 ;;
    esac
  done
}

# Firmware freezes disks at power-on so that nobody can do this; a sleep of some seconds thaws them.
ata_secure() {
  if security_of | grep -q '^[[:space:]]*frozen$'; then
    thaw
    hdparm -I "$device" >"$AT/identity.$name" 2>/dev/null
    if security_of | grep -q '^[[:space:]]*frozen$'; then
      echo "it is frozen by the firmware, also after a sleep"
      return 1
    fi
  fi
  hdparm --user-master u --security-set-pass "$ATA_PASSWORD" "$device" || return 1
  hdparm --user-master u "$1" "$ATA_PASSWORD" "$device" || {
    hdparm --user-master u --security-disable "$ATA_PASSWORD" "$device" >/dev/null 2>&1
    echo "the erase was refused or broke off"
    return 1
  }
  hdparm -I "$device" >"$AT/identity.$name" 2>/dev/null
  if security_of | grep -q '^[[:space:]]*enabled$'; then
    echo "its security is still enabled: the erase did not end"
    return 1
  fi
}

# One disk does it for all: they thaw together.
thaw() {
  if mkdir "$AT/thawing" 2>/dev/null; then
    grep -q mem /sys/power/state 2>/dev/null && rtcwake -m mem -s 10
    : >"$AT/thawed"
  fi
  until [ -e "$AT/thawed" ]; do sleep 1; done
}

# What is discarded first is quick to write, and thin disks stay thin; it counts for nothing.
overwrite() {
  blkdiscard -f "$device" 2>/dev/null
  { head -c "$size" /dev/zero | tee_progress | dd of="$device" bs=1M conv=notrunc 2>"$AT/dd.$name"; } || {
    dd_says
    return 1
  }
  # What dd could not write it has told of; what the disk did not take, the samples will.
  [ -z "$(dd_says)" ] || { dd_says; return 1; }
  sync
  written=$(cat "$AT/written.$name" 2>/dev/null)
  [ "$written" = "$size" ] || { echo "only ${written:-0} of $size bytes were written"; return 1; }
}

# Bytes that pass, counted a piece at a time: awk and dd of busybox tell nothing while they run.
tee_progress() {
  passed=0
  piece=67108864
  while [ "$passed" -lt "$size" ]; do
    left_bytes=$((size - passed))
    [ "$left_bytes" -gt "$piece" ] && left_bytes=$piece
    head -c "$left_bytes" || return 1
    passed=$((passed + left_bytes))
    echo "$passed" >"$AT/written.$name"
    echo $((passed / (size / 100 + 1))) >"$AT/percent.$name"
  done
}
