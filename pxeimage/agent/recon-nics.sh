# Section of the report: NICs, with the switch port that each one hears.

# lldp_field FILE NAME: a value out of tcpdump's decode, e.g. "System Name TLV (5), length 7: lab-sw1".
lldp_field() { sed -n "s/.*$2.*length [0-9]*: *//p" "$1" | head -n 1; }

lldp_section() {
  file=$RUN/lldp.$1
  [ -s "$file" ] || return 0
  {
    str switch "$(lldp_field "$file" 'System Name TLV')"
    # The port's value stands on the line after its heading, behind the subtype.
    str port "$(sed -n '/Port ID TLV/{n;s/.*Subtype [^:]*: *//p;}' "$file" | head -n 1)"
    str description "$(lldp_field "$file" 'Port Description TLV')"
  } | object
}

permanent_mac() {
  mac=$(${ETHTOOL:-ethtool} -P "$1" 2>/dev/null | sed -n 's/^Permanent address: *//p')
  case $mac in
    00:00:00:00:00:00 | *[!0-9a-f:]*) ;;
    ??:??:??:??:??:??) echo "$mac" ;;
  esac
}

# Many a driver says nothing, or that it knows nothing.
nic_firmware() {
  version=$(${ETHTOOL:-ethtool} -i "$1" 2>/dev/null | sed -n 's/^firmware-version: *//p')
  case $version in N/A | n/a | unknown) ;; *) printf '%s\n' "$version" ;; esac
}

# Waits until every NIC with a link has heard its switch, but no longer than reveille.lldp_wait seconds (5).
wait_for_switches() {
  limit=$(cmdline_word reveille.lldp_wait)
  waited=0
  while [ "$waited" -lt "${limit:-5}" ]; do
    silent=0
    for nic in "$SYSROOT"/sys/class/net/*; do
      [ -e "$nic/device" ] && [ "$(first_line "$nic/carrier")" = 1 ] || continue
      [ -s "$RUN/lldp.$(basename "$nic")" ] || silent=1
    done
    [ "$silent" = 1 ] || return 0
    sleep 1
    waited=$((waited + 1))
  done
}

nic_section() {
  [ -n "$SYSROOT" ] || wait_for_switches
  for nic in "$SYSROOT"/sys/class/net/*; do
    [ -e "$nic/device" ] || continue
    name=$(basename "$nic")
    driver=$(readlink -f "$nic/device/driver")
    speed=$(first_line "$nic/speed")
    {
      str name "$name"
      str mac "$(first_line "$nic/address")"
      str permanentMac "$(permanent_mac "$name")"
      [ -z "$driver" ] || str driver "$(basename "$driver")"
      [ "$speed" = 4294967295 ] || num speedMbps "$speed"
      bool link "$(first_line "$nic/carrier")"
      str pci "$(pci_of "$nic/device")"
      str firmware "$(nic_firmware "$name")"
      raw lldp "$(lldp_section "$name")"
    } | object
  done | array
}
