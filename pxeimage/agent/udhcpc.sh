#!/bin/busybox sh
# What udhcpc does with a lease: address and route, nothing else.
case $1 in
  deconfig) ip addr flush dev "$interface" ;;
  bound | renew)
    ip addr replace "$ip/${mask:-24}" dev "$interface"
    for gateway in $router; do
      ip route replace default via "$gateway" dev "$interface"
      break
    done
    ;;
esac
