# Section of the report: disks, out of sysfs.

disk_interface() {
  case $1 in
    */nvme/*) echo nvme ;;
    */usb[0-9]*) echo usb ;;
    */mmc_host/*) echo mmc ;;
    */virtio[0-9]*) echo virtio ;;
    */ata[0-9]*) echo sata ;;
    */end_device-*) echo sas ;;
    *) echo scsi ;;
  esac
}

# vpd_serial FILE: SCSI vital product data page 80 is a header of four bytes and the serial.
# sysfs gives these files no size.
vpd_serial() { [ -r "$1" ] && tail -c +5 "$1" 2>/dev/null | tr -d '\000'; }

disk_serial() {
  for file in "$1/serial" "$1/device/serial"; do
    [ -s "$file" ] && first_line "$file" && return
  done
  vpd_serial "$1/device/vpd_pg80"
}

# Only names that are unique in the world: NAA, EUI-64, NVMe's own.
disk_wwn() {
  for file in "$1/wwid" "$1/device/wwid"; do
    wwid=$(first_line "$file")
    case $wwid in
      naa.*) echo "0x${wwid#naa.}" && return ;;
      eui.* | nvme.* | uuid.*) echo "$wwid" && return ;;
    esac
  done
}

# disk_firmware DISK: NVMe and MMC say it in full. Of ATA disks SCSI keeps four of its eight characters ("rev"); all of them are in
# the IDENTIFY data behind VPD page 89 (SAT-3 section 12.4.2), words 23 to 26, two characters to a word the wrong way round.
disk_firmware() {
  for file in "$1/device/firmware_rev" "$1/device/fwrev"; do
    [ -s "$file" ] && first_line "$file" && return
  done
  if [ -r "$1/device/vpd_pg89" ]; then
    version=$(tail -c +107 "$1/device/vpd_pg89" 2>/dev/null | head -c 8 | tr -d '\000' | sed 's/\(.\)\(.\)/\2\1/g')
    [ -z "$version" ] || { printf '%s\n' "$version" && return; }
  fi
  first_line "$1/device/rev"
}

disk_section() {
  for disk in "$SYSROOT"/sys/block/*; do
    name=$(basename "$disk")
    case $name in loop* | ram* | zram* | sr* | fd* | md* | dm-* | nbd* | mmcblk*boot*) continue ;; esac
    sectors=$(first_line "$disk/size")
    [ "${sectors:-0}" -gt 0 ] || continue
    real=$(readlink -f "$disk")
    # What a BMC plugs in over the network is no disk of this machine.
    case "$(first_line "$disk/device/vendor") $(first_line "$disk/device/model")" in
      *[Vv]irtual\ [Mm]edia* | *Virtual\ Floppy* | *Virtual\ CD*) continue ;;
    esac
    {
      str name "$name"
      str model "$(first_line "$disk/device/model")"
      str serial "$(disk_serial "$disk")"
      str wwn "$(disk_wwn "$disk")"
      # Sectors in sysfs are always 512 bytes.
      num sizeBytes $((sectors * 512))
      bool rotational "$(first_line "$disk/queue/rotational")"
      str interface "$(disk_interface "$real/")"
      str firmware "$(disk_firmware "$disk")"
      pci=$(pci_of "$disk")
      [ -z "$pci" ] || str path "pci-$pci"
    } | object
  done | array
}
