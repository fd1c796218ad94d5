#!/bin/bash
# Builds pxeimage, the small Linux that machines boot to be looked over, and collects the boot loaders.
#
#   pxeimage/build.sh boot           iPXE, shim and GRUB      -> build/boot/
#   pxeimage/build.sh lab            small: virtual machines  -> build/pxeimage/lab/
#   pxeimage/build.sh metal          servers: drivers, firmware, disk and BMC tools -> build/pxeimage/metal/
#
# Everything comes from Debian packages, unpacked and never installed. The same packages give the same bytes: names are
# sorted, times are SOURCE_DATE_EPOCH, owners are root, and nothing of the building machine gets in.
# A profile is three lists in pxeimage/profiles/: PROFILE.packages, PROFILE.modules and PROFILE.programs.
set -euo pipefail
umask 022
export LC_ALL=C TZ=UTC PATH=$PATH:/usr/sbin:/sbin
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-1700000000}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=${OUT:-$(dirname "$here")/build}
cache=$out/cache/debs
# What comes is in a folder of its own until it is whole.
part=$cache/part-$$
work=
# With a signal that is trapped the program that runs ends first: nothing writes any more into what is removed.
trap 'rm -rf "$work" "$part"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

fail() { echo "pxeimage: $*" >&2; exit 1; }
say() { echo "pxeimage: $*"; }
# Lines of a list without comments and blank lines.
list() { sed 's/#.*//; s/[[:space:]]*$//; /^$/d' "$1"; }

need() {
  local tool package
  for pair in apt-get:apt dpkg-deb:dpkg cpio:cpio zstd:zstd depmod:kmod modprobe:kmod xz:xz-utils sha256sum:coreutils; do
    tool=${pair%%:*} package=${pair#*:}
    command -v "$tool" >/dev/null || fail "$tool is missing: apt-get install $package"
  done
}

# The machine's own package sources, with the firmware component added, in a folder of our own.
private_apt() {
  local etc=$out/cache/apt/etc
  mkdir -p "$etc/sources.list.d" "$out/cache/apt/lists/partial" "$out/cache/apt/archives/partial" "$cache"
  rm -f "$etc"/sources.list "$etc"/sources.list.d/*
  # Debian's own sources only: another vendor's list has nothing that belongs into the image.
  local file
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
    [ -s "$file" ] && grep -qi debian "$file" || continue
    case $file in
      *.sources) sed -E '/non-free-firmware/!s/^(Components:.*\bmain\b)(.*)$/\1\2 non-free-firmware/' "$file" >"$etc/sources.list.d/$(basename "$file")" ;;
      *) sed -E '/non-free-firmware/!s/^(deb .*\bmain\b)(.*)$/\1\2 non-free-firmware/' "$file" >"$etc/sources.list.d/$(basename "$file" .list).list" ;;
    esac
  done
  ls "$etc"/sources.list.d/* >/dev/null 2>&1 || fail "no Debian package source found in /etc/apt"
  APT=(-o "Dir::Etc::sourcelist=/dev/null" -o "Dir::Etc::sourceparts=$etc/sources.list.d"
    -o "Dir::State::lists=$out/cache/apt/lists" -o "Dir::Cache::archives=$out/cache/apt/archives"
    -o "Dir::Cache::pkgcache=$out/cache/apt/pkgcache.bin" -o "Dir::Cache::srcpkgcache=$out/cache/apt/srcpkgcache.bin" -o "APT::Sandbox::User=root" -o "APT::Get::List-Cleanup=0")
  lists_read=$out/cache/apt/updated
  if [ ! -e "$lists_read" ] || [ -n "$(find "$lists_read" -mmin +720)" ]; then read_lists; fi
}

read_lists() {
  say "reading the package lists" >&2
  apt-get "${APT[@]}" -q update >"$out/cache/apt/update.log" 2>&1 ||
    fail "apt-get update failed: $(grep -m1 '^[EW]:' "$out/cache/apt/update.log")"
  touch "$lists_read"
}

# Downloads one package by name into the cache and prints its file. What the lists of some hours ago name may have been
# replaced, and be gone from the mirror.
fetch() {
  download "$1" && return
  [ -n "$(find "$lists_read" -mmin +5)" ] || return 1
  read_lists
  download "$1"
}

download() {
  local name=$1 candidate file
  candidate=$(apt-cache "${APT[@]}" policy "$name" | sed -n 's/^  Candidate: //p')
  [ -n "$candidate" ] && [ "$candidate" != '(none)' ] || return 1
  file=$(cached "${name}_${candidate//:/%3a}")
  if [ -z "$file" ]; then
    mkdir -p "$part"
    (cd "$part" && apt-get "${APT[@]}" -qq download "$name=$candidate" >/dev/null 2>&1) || return 1
    mv "$part"/*.deb "$cache"/
    file=$(cached "${name}_${candidate//:/%3a}")
  fi
  echo "$file"
}

cached() { find "$cache" -maxdepth 1 -name "$1_*.deb" | head -n 1; }

# The packages of a list, and every library package that they need.
closure() {
  local names=("$@")
  {
    printf '%s\n' "${names[@]}"
    apt-cache "${APT[@]}" depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
      --no-replaces --no-enhances "${names[@]}" | grep -E '^(lib|zlib|libc6)[^ ]*$' | grep -v ':i386' || true
  } | sort -u
}

kernel_package() {
  apt-cache "${APT[@]}" depends linux-image-amd64 | sed -n 's/^  Depends: //p' | grep '^linux-image-' | head -n 1
}

# Where a path of an unpacked tree is. Its absolute links mean the tree, and not the machine that builds: Debian's ipxe links
# from /usr/lib/ipxe to /boot, where another ipxe may be installed, or none.
inside() {
  local tree=$1 path=$2 target
  while target=$(readlink "$tree$path"); do
    case $target in /*) path=$target ;; *) path=$(dirname "$path")/$target ;; esac
  done
  echo "$tree$path"
}

manifest_line() { dpkg-deb -W --showformat='${Package} ${Version}\n' "$1"; }

build_boot() {
  mkdir -p "$out/boot"
  local name deb debs=()
  work=$(mktemp -d)
  # The last two are for Secure Boot: they are used as they are, with the signatures that they come with. Nothing else needs them.
  for name in ipxe shim-signed grub-efi-amd64-signed; do
    if deb=$(fetch "$name"); then dpkg-deb -x "$deb" "$work"; debs+=("$deb"); continue; fi
    [ "$name" != ipxe ] || fail "the Debian package $name cannot be downloaded"
    say "WARNING: $name is not available here: no loaders for Secure Boot"
  done
  for name in undionly.kpxe snponly.efi ipxe.efi; do
    install -m 644 "$(inside "$work" "/usr/lib/ipxe/$name")" "$out/boot/.$name" && mv "$out/boot/.$name" "$out/boot/$name"
  done
  # Only the lab starts this one: a BIOS machine whose ROM is not ours.
  install -m 644 "$(inside "$work" /usr/lib/ipxe/ipxe.lkrn)" "$out/boot/ipxe.lkrn"
  for name in shim/shimx64.efi grub/x86_64-efi-signed/grubnetx64.efi; do
    [ ! -e "$work/usr/lib/$name.signed" ] || install -m 644 "$work/usr/lib/$name.signed" "$out/boot/${name##*/}"
  done
  for deb in "${debs[@]}"; do manifest_line "$deb"; done >"$out/boot/manifest.txt"
  rm -rf "$work"
  say "boot loaders are in $out/boot"
}

build_profile() {
  local profile=$1 dir=$out/pxeimage/$1 lists=$here/profiles/$1
  [ -f "$lists.packages" ] || fail "there is no profile '$profile' in $here/profiles"
  local -a wanted debs=(); local kernel name deb missing=()
  kernel=$(kernel_package); [ -n "$kernel" ] || fail "linux-image-amd64 names no kernel package"
  mapfile -t wanted < <(list "$lists.packages")
  for name in "$kernel" $(closure "${wanted[@]}"); do
    if deb=$(fetch "$name"); then debs+=("$deb"); else missing+=("$name"); fi
  done
  for name in "${missing[@]}"; do
    case $name in firmware-*) say "WARNING: $name is not available here: NICs that need it will not work" ;;
      *) grep -qx "$name" <(printf '%s\n' "$kernel" "${wanted[@]}") && fail "the Debian package $name cannot be downloaded" ;;
    esac
  done
  local stamp; stamp=$({ printf '%s\n' "$SOURCE_DATE_EPOCH" "${debs[@]##*/}"; cat "$lists".* "$here"/build.sh "$here"/agent/*; } | sha256sum | cut -c1-64)
  if [ "$(cat "$dir/.stamp" 2>/dev/null)" = "$stamp" ]; then say "$profile is up to date in $dir"; return; fi

  work=$(mktemp -d)
  local sys=$work/sys root=$work/root; mkdir -p "$sys" "$root" "$dir"
  say "$profile: unpacking ${#debs[@]} packages"
  for deb in "${debs[@]}"; do dpkg-deb -x "$deb" "$sys"; done
  local version; version=$(ls "$sys/lib/modules" | head -n 1)

  mkdir -p "$root"/{bin,sbin,dev,proc,sys,run,tmp,etc,mnt,root,agent,lib/modules,usr/bin,usr/sbin,usr/share}
  ln -s lib "$root/lib64"
  install -m 755 "$sys/bin/busybox" "$root/bin/busybox"
  local applet
  for applet in $("$sys/bin/busybox" --list); do [ -e "$root/bin/$applet" ] || ln -s busybox "$root/bin/$applet"; done
  copy_programs "$lists.programs"
  copy_modules "$lists.modules" "$version"
  [ -d "$sys/lib/firmware" ] && [ "$profile" = metal ] && cp -a "$sys/lib/firmware" "$root/lib/firmware"
  install -m 755 "$here"/agent/* "$root/agent/"
  ln -s agent/init "$root/init"
  # tcpdump looks its user up before it keeps running as that user.
  echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
  echo 'root:x:0:' >"$root/etc/group"
  printf 'PROFILE=%s\nAGENT_VERSION=%s\n' "$profile" "$(sed -n 's/.*"version": "\(.*\)".*/\1/p' "$here/../package.json" | head -n 1)" >"$root/agent/release"

  find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
  (cd "$root" && find . | sort | cpio -o -H newc --reproducible --quiet -R 0:0) | zstd -q -19 -T1 >"$dir/.initrd.img"
  install -m 644 "$sys/boot/vmlinuz-$version" "$dir/.vmlinuz"
  # Until all of it is in place nothing of it is.
  rm -f "$dir/.stamp"
  for name in vmlinuz initrd.img; do mv "$dir/.$name" "$dir/$name"; done
  write_manifest "$profile" "$version" "$dir" "${debs[@]}" >"$dir/manifest.json"
  echo "$stamp" >"$dir/.stamp"
  rm -rf "$work"
  say "$profile: kernel $version, $(du -h "$dir/vmlinuz" | cut -f1) + initrd $(du -h "$dir/initrd.img" | cut -f1) in $dir"
}

# Each program with the libraries that the unpacked loader finds for it.
copy_programs() {
  local program found lib dirs=$sys/lib/x86_64-linux-gnu:$sys/usr/lib/x86_64-linux-gnu:$sys/usr/lib/x86_64-linux-gnu/systemd
  local loader; loader=$(find "$sys" -name ld-linux-x86-64.so.2 -type f -print -quit)
  install -m 755 "$loader" "$root/lib/ld-linux-x86-64.so.2"
  while read -r program; do
    found=
    for lib in usr/sbin sbin usr/bin bin; do
      found=$(inside "$sys" "/$lib/$program"); [ -e "$found" ] && break; found=
    done
    [ -n "$found" ] || fail "no package of this profile has the program $program"
    install -m 755 "$(readlink -f "$found")" "$root/usr/sbin/$program"
    while read -r lib; do
      # The loader looks in this machine's own folders, too, when the packages do not have it.
      case $lib in "$sys"/*) ;; *) fail "$program needs a library that no package of this profile has: $lib" ;; esac
      install -D -m 755 "$(readlink -f "$(inside "$sys" "${lib#"$sys"}")")" "$root/lib/$(basename "$lib")"
    done < <("$loader" --library-path "$dirs" --list "$found" 2>/dev/null | sed -n 's/.* => \([^ ]*\) .*/\1/p')
    # The applet of the same name must not win over the real program.
    rm -f "$root/bin/$program"
  done < <(list "$1")
  # tcpdump's and others' data stays out; the PCI names are worth their size where lspci is.
  [ -e "$root/usr/sbin/lspci" ] && install -D -m 644 "$sys/usr/share/misc/pci.ids" "$root/usr/share/misc/pci.ids"
  return 0
}

# Kernel modules of the list, with what they depend on; decompressed, because busybox loads plain ones only.
copy_modules() {
  local version=$2 module path
  depmod -b "$sys" "$version"
  while read -r module; do
    modprobe -d "$sys" -S "$version" --show-depends "$module" 2>/dev/null | sed -n 's/^insmod \([^ ]*\).*/\1/p' ||
      say "no module $module in kernel $version" >&2
  done < <(list "$1") | sort -u | while read -r path; do
    local target=$root/lib/modules/$version/${path#"$sys/lib/modules/$version/"}
    install -D -m 644 "$path" "$target"
    case $target in *.xz) xz -d "$target" ;; *.zst) zstd -q -d --rm "$target" ;; esac
  done
  cp "$sys/lib/modules/$version"/modules.{order,builtin} "$root/lib/modules/$version/"
  [ -e "$sys/lib/modules/$version/modules.builtin.modinfo" ] && cp "$sys/lib/modules/$version/modules.builtin.modinfo" "$root/lib/modules/$version/"
  depmod -b "$root" "$version" 2>/dev/null
  # busybox reads the text tables; the binary ones are for kmod.
  rm -f "$root/lib/modules/$version"/modules.*.bin
}

write_manifest() {
  local profile=$1 version=$2 dir=$3; shift 3
  printf '{\n  "profile": "%s",\n  "kernel": "%s",\n  "packages": {\n' "$profile" "$version"
  for deb in "$@"; do manifest_line "$deb"; done | sort | sed 's/^\([^ ]*\) \(.*\)$/    "\1": "\2"/; $!s/$/,/'
  printf '  },\n  "outputs": {\n'
  local name comma=,
  for name in vmlinuz initrd.img; do
    [ "$name" = initrd.img ] && comma=
    printf '    "%s": { "sha256": "%s", "sizeBytes": %s }%s\n' "$name" "$(sha256sum "$dir/$name" | cut -c1-64)" "$(stat -c %s "$dir/$name")" "$comma"
  done
  printf '  }\n}\n'
}

[ $# -gt 0 ] || { sed -n '2,/^set/p' "$0" | sed -n 's/^# \{0,1\}//p'; exit 64; }
need
private_apt
for what in "$@"; do
  case $what in boot) build_boot ;; *) build_profile "$what" ;; esac
done
