#!/bin/sh
# Applies a NoCloud seed (folder with meta-data and user-data) the way a small image can: the hostname and SSH keys of the
# meta-data, and a user-data that is a script. Anything else in user-data needs cloud-init, which is not in this snapshot,
# and is said so in the journal rather than done by half.
set -eu
seed=$1

# The plain `key: value` of a meta-data file, without quotes.
value() { sed -n "s/^$1: *//p" "$seed/meta-data" | sed -e 's/^"\(.*\)"$/\1/' -e "s/^'\(.*\)'\$/\1/" | head -n 1; }

name=$(value local-hostname)
case $name in
  '') ;;
  *[!A-Za-z0-9.-]*) echo "meta-data: '$name' is no hostname" >&2 ;;
  *) echo "$name" >/etc/hostname; hostname "$name" ;;
esac

# `public-keys:` as a list of strings.
keys=$(sed -n '/^public-keys:/,/^[^ -]/s/^ *- *//p' "$seed/meta-data" | sed -e 's/^"\(.*\)"$/\1/' -e "s/^'\(.*\)'\$/\1/")
if [ -n "$keys" ]; then
  mkdir -p -m 700 /root/.ssh
  touch /root/.ssh/authorized_keys
  chmod 600 /root/.ssh/authorized_keys
  printf '%s\n' "$keys" | while read -r key; do
    grep -qxF "$key" /root/.ssh/authorized_keys || printf '%s\n' "$key" >>/root/.ssh/authorized_keys
  done
fi

# The note comes first: a script that reboots the machine must not run for ever.
mkdir -p /var/lib/cloud
value instance-id >/var/lib/cloud/applied
sync
if [ -s "$seed/user-data" ]; then
  case $(head -c 2 "$seed/user-data") in
    '#!') chmod 700 "$seed/user-data"; "$seed/user-data" ;;
    *) echo "user-data is no script: only cloud-init could apply it, and it is not installed" >&2 ;;
  esac
fi
