#!/bin/sh
# Runs on the unpacked system, whose folder is the argument, before it is packed. What a machine must have of its own
# (name, keys, identity) is not in a snapshot: an installer or the first boot makes it.
set -eu
root=$1

cat >"$root/etc/apt/sources.list" <<END
deb http://deb.debian.org/debian bookworm main
deb http://deb.debian.org/debian bookworm-updates main
deb http://deb.debian.org/debian-security bookworm-security main
END

# Only what a root file system can be on; every module more is read and unpacked at each boot.
cat >"$root/etc/initramfs-tools/modules" <<END
virtio_pci
virtio_blk
virtio_scsi
nvme
ahci
sd_mod
ext4
END
sed -i 's/^MODULES=.*/MODULES=list/; s/^COMPRESS=.*/COMPRESS=lz4/' "$root/etc/initramfs-tools/initramfs.conf"
rm -f "$root"/boot/initrd.img-*
chroot "$root" update-initramfs -c -k all

mkdir -p "$root/etc/default" "$root/boot/grub"
cat >"$root/etc/default/grub" <<END
GRUB_DEFAULT=0
GRUB_TIMEOUT=1
GRUB_DISTRIBUTOR=Debian
GRUB_CMDLINE_LINUX_DEFAULT=""
GRUB_CMDLINE_LINUX="console=tty0 console=ttyS0,115200n8 net.ifnames=0"
GRUB_TERMINAL="console serial"
GRUB_SERIAL_COMMAND="serial --unit=0 --speed=115200"
END

# DHCP on every wired NIC until an installer says otherwise.
cat >"$root/etc/systemd/network/80-dhcp.network" <<END
[Match]
Type=ether

[Network]
DHCP=yes

[DHCPv4]
ClientIdentifier=mac
END
printf 'LABEL=root / ext4 errors=remount-ro 0 1\n' >"$root/etc/fstab"
echo localhost >"$root/etc/hostname"
printf '127.0.0.1 localhost\n::1 localhost\n' >"$root/etc/hosts"

# One key of a kind that is made in an instant, also by a machine without entropy or speed.
cat >"$root/etc/ssh/sshd_config.d/reveille.conf" <<END
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin prohibit-password
PasswordAuthentication no
END
cat >"$root/etc/systemd/system/ssh-host-key.service" <<END
[Unit]
Description=Make the SSH host key of this machine
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key
Before=ssh.service

[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -q -t ed25519 -N "" -f /etc/ssh/ssh_host_ed25519_key

[Install]
WantedBy=multi-user.target
END
rm -f "$root"/etc/ssh/ssh_host_*

install -D -m 755 "$(dirname "$0")/nocloud.sh" "$root/usr/lib/reveille/nocloud"
cat >"$root/etc/systemd/system/nocloud.service" <<END
[Unit]
Description=Apply the NoCloud seed of this machine, once
ConditionPathExists=/var/lib/cloud/seed/nocloud/meta-data
ConditionPathExists=!/var/lib/cloud/applied
After=local-fs.target network-online.target
Wants=network-online.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/lib/reveille/nocloud /var/lib/cloud/seed/nocloud

[Install]
WantedBy=multi-user.target
END
chroot "$root" systemctl -q enable systemd-networkd ssh-host-key nocloud serial-getty@ttyS0
chroot "$root" systemctl -q mask apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service \
  fstrim.timer dpkg-db-backup.timer

# Of the machine that built it, or different each time.
: >"$root/etc/machine-id"
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/var/log/* "$root"/var/cache/ldconfig/aux-cache "$root"/var/cache/apt/*.bin \
  "$root"/var/cache/debconf/*-old "$root"/var/lib/dpkg/*-old "$root"/var/lib/systemd/random-seed "$root"/run/* "$root"/tmp/*
mkdir -p "$root/var/log/journal"
