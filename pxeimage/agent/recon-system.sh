# Sections of the report: agent, DMI, CPUs, memory, PCI.

agent_section() {
  boot_mode=bios
  [ -d "$SYSROOT/sys/firmware/efi" ] && boot_mode=uefi
  {
    str version "${AGENT_VERSION:-0}"
    str profile "${PROFILE:-}"
    str kernel "${KERNEL:-$(uname -r)}"
    str bootMode "$boot_mode"
    bool secureBoot "$(secure_boot)"
  } | object
}

# 1 with Secure Boot on, 0 with it off, nothing where firmware has no such variable: its value is the byte behind four of attributes
# (UEFI 2.10, 3.3; Linux, Documentation/filesystems/efivarfs.rst).
secure_boot() {
  vars=$SYSROOT/sys/firmware/efi/efivars
  if [ -z "$SYSROOT" ] && [ -d "$vars" ] && ! grep -q " $vars " /proc/mounts; then
    modprobe -q efivarfs 2>/dev/null
    mount -t efivarfs efivarfs "$vars" 2>/dev/null
  fi
  od -An -tu1 "$vars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c" 2>/dev/null | awk 'NF == 5 { print $5 }'
}

# The MAC from BOOTIF; else that of the NIC with the default lease.
boot_mac() {
  mac=$(cmdline_word BOOTIF | sed 's/^01-//' | tr 'A-F-' 'a-f:')
  if [ -z "$mac" ]; then
    for nic in "$SYSROOT"/sys/class/net/*; do
      [ -e "$nic/device" ] && mac=$(first_line "$nic/address") && break
    done
  fi
  printf '%s' "$mac"
}

dmi() { first_line "$SYSROOT/sys/class/dmi/id/$1"; }

dmi_section() {
  {
    str manufacturer "$(dmi sys_vendor)"
    str product "$(dmi product_name)"
    str version "$(dmi product_version)"
    str serial "$(dmi product_serial)"
    str uuid "$(dmi product_uuid)"
    str sku "$(dmi product_sku)"
    str family "$(dmi product_family)"
    raw board "$({
      str manufacturer "$(dmi board_vendor)"
      str product "$(dmi board_name)"
      str serial "$(dmi board_serial)"
      str assetTag "$(dmi board_asset_tag)"
    } | object)"
    raw chassis "$({
      str manufacturer "$(dmi chassis_vendor)"
      str type "$(dmi chassis_type)"
      str serial "$(dmi chassis_serial)"
      str assetTag "$(dmi chassis_asset_tag)"
    } | object)"
    raw bios "$({
      str vendor "$(dmi bios_vendor)"
      str version "$(dmi bios_version)"
      str date "$(dmi bios_date)"
    } | object)"
  } | object
}

# One line for each socket out of /proc/cpuinfo: id, threads, cores, MHz, vendor, model (tabs between).
cpu_lines() {
  awk -F '\t*: ' '
    function close_one() {
      if (!open) return
      threads[socket]++
      if (!((socket, core) in seen)) { seen[socket, core] = 1; cores[socket]++ }
      if (!(socket in model)) order[++n] = socket
      model[socket] = name; vendor[socket] = maker; mhz[socket] = int(speed)
      open = 0
    }
    $1 == "processor" { close_one(); open = 1; socket = 0; core = $2; name = ""; maker = ""; speed = 0 }
    $1 == "physical id" { socket = $2 }
    $1 == "core id" { core = $2 }
    $1 == "model name" { name = $2 }
    $1 == "vendor_id" { maker = $2 }
    $1 == "cpu MHz" { speed = $2 }
    END {
      close_one()
      for (i = 1; i <= n; i++) {
        s = order[i]
        printf "%s\t%d\t%d\t%d\t%s\t%s\n", s, threads[s], cores[s], mhz[s], vendor[s], model[s]
      }
    }' "$SYSROOT/proc/cpuinfo"
}

cpu_section() {
  cpu_lines | while IFS="$(printf '\t')" read -r socket threads cores mhz vendor model; do
    {
      num socket "$socket"
      str model "$model"
      str vendor "$vendor"
      num cores "$cores"
      num threads "$threads"
      [ "$mhz" -gt 0 ] && num mhz "$mhz"
    } | object
  done | array
}

# SMBIOS type 17 as dmidecode prints it, one line for each module that is there (tabs between; "-" for nothing).
module_lines() {
  ${DMIDECODE:-dmidecode} -q -t 17 2>/dev/null | awk '
    function close_one() {
      if (open && size > 0) printf "%s\t%.0f\t%s\t%s\t%s\t%s\t%s\n", slot, size, type, speed, maker, serial, part
      open = 0
    }
    function text(line) { sub(/^[^:]*: */, "", line); gsub(/\t/, " ", line); return line == "" ? "-" : line }
    /^Memory Device/ { close_one(); open = 1; size = 0; slot = type = speed = maker = serial = part = "-" }
    /^[ \t]+Size: [0-9]/ {
      size = $2 * ($3 ~ /^k/ ? 1024 : $3 ~ /^M/ ? 1048576 : $3 ~ /^G/ ? 1073741824 : $3 ~ /^T/ ? 1099511627776 : 1)
    }
    /^[ \t]+Locator:/ { slot = text($0) }
    /^[ \t]+Type:/ { type = text($0) }
    /^[ \t]+Speed: [0-9]/ { speed = $2 }
    /^[ \t]+Manufacturer:/ { maker = text($0) }
    /^[ \t]+Serial Number:/ { serial = text($0) }
    /^[ \t]+Part Number:/ { part = text($0) }
    END { close_one() }'
}

memory_section() {
  module_lines >"$RUN/modules"
  total=$(awk -F '\t' '{ sum += $2 } END { printf "%.0f", sum }' "$RUN/modules")
  [ "$total" != 0 ] ||
    total=$(awk '$1 == "MemTotal:" { printf "%.0f", $2 * 1024 }' "$SYSROOT/proc/meminfo")
  {
    num totalBytes "$total"
    printf '"modules":%s\n' "$(while IFS="$(printf '\t')" read -r slot size type speed maker serial part; do
      {
        known slot "$slot"
        num sizeBytes "$size"
        known type "$type"
        num speedMts "$speed"
        known manufacturer "$maker"
        known serial "$serial"
        known part "$part"
      } | object
    done <"$RUN/modules" | array)"
  } | object
}

# known NAME VALUE: like str, but not for what dmidecode says when it does not know.
known() {
  case $2 in
    - | 'Not Specified' | Unknown | '<OUT OF SPEC>') ;;
    *) str "$1" "$2" ;;
  esac
}

pci_section() {
  for device in "$SYSROOT"/sys/bus/pci/devices/*; do
    [ -e "$device/class" ] || continue
    slot=$(basename "$device")
    class=$(first_line "$device/class")
    gpu=0
    case $class in 0x03* | 0x1200*) gpu=1 ;; esac
    {
      str slot "$slot"
      str class "$class"
      str vendor "$(first_line "$device/vendor")"
      str device "$(first_line "$device/device")"
      command -v lspci >/dev/null 2>&1 && [ -z "$SYSROOT" ] &&
        str name "$(lspci -s "$slot" 2>/dev/null | sed 's/^[^ ]* //')"
      bool gpu "$gpu"
    } | object
  done | array
}
