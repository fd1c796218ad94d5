# Reveille. `make lab` and `make test` do all the set-up that a fresh Debian 12 or newer needs.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
BIN := $(CURDIR)/node_modules/.bin
# `su` without a dash leaves out the folders that dpkg and others look for programs in.
export PATH := $(BIN):$(PATH):/usr/sbin:/sbin
# Two at once would wait for one lock of apt's, or fail.
.NOTPARALLEL:

# What pxeimage is built with: all that an appliance for real servers needs.
IMAGE_PACKAGES := cpio kmod zstd xz-utils
# What the virtual rack, pxeimage and the tests need from Debian.
LAB_PACKAGES := qemu-system-x86 ovmf ipxe-qemu iproute2 tcpdump cpio kmod zstd xz-utils busybox-static mmdebstrap dosfstools mtools fdisk e2fsprogs grub-common grub-pc-bin grub-efi-amd64-bin openssh-client bind9-dnsutils
TEST_PACKAGES := busybox-static chromium dnsmasq-base iproute2 isc-dhcp-client isc-dhcp-relay systemd tftp-hpa atftp curl procps kea-admin openssl openipmi ipmitool freeipmi-tools knot nsd bind9 bind9-utils bind9-dnsutils ldnsutils knot-dnssecutils zonemaster-cli postgresql tcpdump tshark
# What the benches measure beside us, and the load generators.
BENCH_PACKAGES := iproute2 tcpdump strace kea-dhcp4-server kea-admin dnsmasq-base nginx-light tftpd-hpa bind9 knot nsd pdns-server dnsperf curl freeipmi-tools ipmitool postgresql bind9-dnsutils chromium

## help: this list
help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST) | sed 's/^\([a-z-]*\): /  make \1\t/' | expand -t 20

## lab: install what is missing, build, and watch a virtual rack come up (Ctrl-C ends it)
lab: setup-lab pxeimage ui
	npm run -s lab -- create $(LAB_OPTIONS)

## test: everything that CI runs, ending with "N passed, N failed"
test: setup-lab setup-test ui
	@./test/build-images.sh
	./test/run-all.sh

## pxeimage: the small Linux that machines boot (profile lab), and the iPXE binaries
pxeimage: setup-lab
	pxeimage/build.sh boot lab

## pxeimage-metal: the same for real servers, with their drivers, firmware and disk tools, and the iPXE binaries
pxeimage-metal: setup-image
	pxeimage/build.sh boot metal

## snapshots: a Debian 12 to install on machines, as raw disk and as tarball
snapshots: setup-lab
	pxeimage/snapshots/build.sh debian-12

## ui: the board
ui: node_modules/.package-lock.json
	@npm run -s build
	@echo "ui: the portal is in build/ui"

## check: types, lint and format
check: node_modules/.package-lock.json
	npm run -s check

## clean: remove what was built; downloaded packages too
clean:
	rm -rf build var

node_modules/.package-lock.json: package-lock.json package.json
	npm ci --loglevel=error
	@touch $@

setup-lab: node_modules/.package-lock.json
	@./test/install-packages.sh $(LAB_PACKAGES)

setup-image: node_modules/.package-lock.json
	@./test/install-packages.sh $(IMAGE_PACKAGES)

setup-test: node_modules/.package-lock.json
	@./test/install-packages.sh $(TEST_PACKAGES)

## setup-bench: install the peers and load generators that npm run bench needs, and what the lab does
setup-bench: setup-lab
	@./test/install-packages.sh $(BENCH_PACKAGES)

.PHONY: help lab test pxeimage pxeimage-metal snapshots ui check clean setup-lab setup-image setup-test setup-bench
