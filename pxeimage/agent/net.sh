# The network: the NIC that booted (BOOTIF), or any NIC with a link if that one is not found.

# nic_of_mac MAC: its interface name.
nic_of_mac() {
  for nic in /sys/class/net/*; do
    [ -e "$nic/device" ] && [ "$(cat "$nic/address")" = "$1" ] && basename "$nic" && return
  done
}

# lease NIC: an address for this NIC; udhcpc stays behind and renews it.
lease() {
  ip link set "$1" up
  waited=0
  while [ "$(cat "/sys/class/net/$1/carrier" 2>/dev/null)" != 1 ] && [ "$waited" -lt "${2:-30}" ]; do
    sleep 1
    waited=$((waited + 1))
  done
  [ "$(cat "/sys/class/net/$1/carrier" 2>/dev/null)" = 1 ] || return 1
  udhcpc -i "$1" -s /agent/udhcpc.sh -t 8 -T 2 -n >/dev/null 2>&1
}

network_up() {
  ip link set lo up
  # Every link comes up now: by the time of the look-over, carriers are known and switches have spoken.
  for nic in /sys/class/net/*; do
    [ -e "$nic/device" ] && ip link set "$(basename "$nic")" up
  done
  hear_switches
  boot_mac=$(cmdline_word BOOTIF | sed 's/^01-//' | tr 'A-F-' 'a-f:')
  for _ in 1 2 3; do
    boot_nic=$(nic_of_mac "$boot_mac")
    if [ -n "$boot_nic" ]; then
      say "Asking for an address on $boot_nic ($boot_mac), which booted"
      lease "$boot_nic" && return 0
    fi
    for nic in /sys/class/net/*; do
      [ -e "$nic/device" ] || continue
      nic=$(basename "$nic")
      [ "$nic" = "$boot_nic" ] && continue
      say "Asking for an address on $nic"
      lease "$nic" 5 && return 0
    done
  done
  return 1
}

# LLDP frames come every 30 s at most; each NIC listens in the background from here on.
hear_switches() {
  for nic in /sys/class/net/*; do
    [ -e "$nic/device" ] || continue
    nic=$(basename "$nic")
    tcpdump -Z root -i "$nic" -c 1 -v -nn -s 1500 'ether proto 0x88cc' >"$RUN/lldp.$nic" 2>/dev/null &
  done
}
