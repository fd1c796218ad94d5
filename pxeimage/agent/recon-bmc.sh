# Section of the report: the BMC, asked in-band where the kernel has found one.

bmc_section() {
  [ -e "$SYSROOT/dev/ipmi0" ] || return 0
  ipmi=${IPMITOOL:-ipmitool}
  command -v "$ipmi" >/dev/null 2>&1 || return 0
  say "Asking the BMC"
  timeout 30 "$ipmi" mc info >"$RUN/bmc" 2>/dev/null || return 0
  # The channel with an address is the one: 1 almost everywhere, 2, 3 or 8 on some boards.
  address=
  for channel in 1 2 3 8; do
    timeout 15 "$ipmi" lan print "$channel" >"$RUN/bmc.lan" 2>/dev/null || continue
    address=$(sed -n 's/^IP Address  *: //p' "$RUN/bmc.lan")
    case $address in '' | 0.0.0.0) address= ;; *) break ;; esac
  done
  mac=$(sed -n 's/^MAC Address  *: //p' "$RUN/bmc.lan" 2>/dev/null)
  case $mac in 00:00:00:00:00:00) mac= ;; esac
  {
    str address "$address"
    str mac "$mac"
    str firmware "$(sed -n 's/^Firmware Revision  *: //p' "$RUN/bmc")"
    str manufacturer "$(sed -n 's/^Manufacturer ID  *: //p' "$RUN/bmc")"
    bool inBand 1
  } | object
}
