# The process of one piece of work: work-run.sh PURPOSE. See work.sh.
set -u
set -o pipefail
: "${AGENT:=/agent}"
: "${ZSTD:=/usr/sbin/zstd}" # not busybox's, whatever its shell would take
# Busybox's moves a kilobyte at a time: three system calls for each of them, over all of an image.
: "${TEE:=/usr/sbin/tee}"
[ -x "$TEE" ] || TEE=tee
# Busybox's takes twice the time.
: "${SHA256SUM:=/usr/sbin/sha256sum}"
[ -x "$SHA256SUM" ] || SHA256SUM=sha256sum
. "$AGENT/lib.sh"

# step NAME PERCENT: where the work is now.
step() {
  echo "$1" >"$AT/step"
  echo "${2:-0}" >"$AT/percent"
  read -r up _ </proc/uptime
  echo "== $1 ($up s)"
  say "$1"
}

# fail CODE DETAIL [retry]: ends the work.
fail() {
  echo "$1" >"$AT/code"
  echo "$2" >"$AT/detail"
  [ "${3:-}" != retry ] || : >"$AT/retry"
  echo "FAILED: $1 $2"
  exit 1
}

# measured NAME VALUE, for the last word: a number or a word.
measured() {
  case $2 in
    '' | *[!0-9]*) str "$1" "$2" >>"$AT/measured" ;;
    *) num "$1" "$2" >>"$AT/measured" ;;
  esac
}

seconds() { sed 's/\..*//' /proc/uptime; }

# stream SHA256 SIZE: the bytes of a file of the image on standard output, from where they broke off. The queue of the
# appliance (429, 503 and Retry-After) is no failure; a minute without a byte is.
stream() {
  offset=0
  failures=0
  while [ "$offset" -lt "$2" ]; do
    echo "$offset" >"$AT/offset"
    curl -s -f -r "$offset-" --connect-timeout 20 --speed-limit 1 --speed-time 60 -D "$AT/headers" \
      -w '%{stderr}%{http_code} %{size_download}\n' "$APPLIANCE/images/$WORK/$1" 2>"$AT/curl" &
    echo $! >"$AT/fetcher"
    wait $!
    rc=$?
    read -r http got <"$AT/curl" || { http=000 got=0; }
    case $http in
      200 | 206)
        offset=$((offset + got))
        # A reader that has gone ends it all.
        [ "$rc" != 23 ] || return 23
        [ "$got" = 0 ] || failures=0
        ;;
      429 | 503)
        pause=$(sed -n 's/^[Rr]etry-[Aa]fter: *\([0-9]*\).*/\1/p' "$AT/headers" | head -n 1)
        sed -n 's/^[Xx]-[Qq]ueue-[Pp]osition: *\([0-9]*\).*/waiting for bandwidth, number \1 in the queue/p' "$AT/headers" >"$AT/note"
        sleep "${pause:-5}"
        continue
        ;;
      403 | 404 | 410) return 10 ;;
    esac
    [ "$offset" -lt "$2" ] || break
    failures=$((failures + 1))
    echo "the copy broke off at $offset of $2 (curl $rc, status $http)" >&2
    [ "$failures" -lt 12 ] || return 11
    sleep $((failures < 5 ? failures : 5))
  done
  echo "$2" >"$AT/offset"
  rm -f "$AT/fetcher"
}

unpack() {
  case $1 in
    zstd) "$ZSTD" -d -q -c ;;
    gzip) gzip -d -c ;;
    none) cat ;;
    *) return 2 ;;
  esac
}

# digest: SHA-256 of standard input. OpenSSL's where processors have instructions for it, which makes it four times as fast; where they
# do not, both keep up with zstd, and in an emulated processor OpenSSL takes twice the time.
digest() {
  if grep -q -m 1 -w sha_ni "${CPUINFO:-/proc/cpuinfo}" && command -v openssl >/dev/null; then openssl dgst -sha256 -r; else "$SHA256SUM"; fi |
    cut -c 1-64
}

# onto DEVICE [--sparse]: unpacks zstd straight to a disk, with nothing in between, and waits until it has everything. Sparse: what
# the disk has as zeros already is not written.
onto() {
  # shellcheck disable=SC2086
  "$ZSTD" -d -q ${2:-} -c 1<>"$1"
  rc=$?
  # zstd's words for what it could not write: 70, and the others where it leaves zeros out (EXM_THROW in its fileio_asyncio.c);
  # all but these are about what it has read.
  case $rc in
    69 | 70 | 91 | 92 | 93 | 95) echo 0 >"$AT/rc.unpack" ;;
    *)
      echo "$rc" >"$AT/rc.unpack"
      rc=0
      dd if=/dev/null of="$1" conv=fsync,notrunc 2>"$AT/dd" || rc=$?
      [ "$rc" = 0 ] || tail -n 1 "$AT/dd"
      ;;
  esac
  echo "$rc" >"$AT/rc.write"
}

# copy SHA256 SIZE COMPRESSION PERCENT-AT-THE-END WRITER...: streams a file of the image, unpacked, into a command, or zstd's `onto`
# a disk, and checks while it passes that it is the file it should be. Says whose fault it is when it is not.
copy() {
  sum=$1 size=$2 compression=$3 end=$4
  shift 4
  began=$(seconds)
  echo "$size $end $began" >"$AT/copying"
  rm -f "$AT/pipe" "$AT"/rc.*
  mkfifo "$AT/pipe"
  digest <"$AT/pipe" >"$AT/sum" &
  hasher=$!
  {
    stream "$sum" "$size"
    echo $? >"$AT/rc.stream"
  } | "$TEE" "$AT/pipe" | if [ "$1" = onto ]; then
    "$@"
  else
    {
      unpack "$compression"
      echo $? >"$AT/rc.unpack"
    } | {
      "$@"
      echo $? >"$AT/rc.write"
    }
  fi
  wait "$hasher"
  rm -f "$AT/copying"
  took=$(($(seconds) - began))
  measured copy-seconds "$took"
  measured copy-bytes "$size"
  got=$(cut -c 1-64 "$AT/sum")
  case "$(cat "$AT/rc.stream") $(cat "$AT/rc.unpack") $(cat "$AT/rc.write")" in
    '0 0 0') [ "$got" = "$sum" ] || fail IMAGE_CORRUPT "SHA-256 of what arrived is $got, not $sum" retry ;;
    '10 '*) fail IMAGE_UNREACHABLE "the appliance does not serve this file to this machine" ;;
    '11 '*) fail IMAGE_UNREACHABLE "the copy broke off over and over at $(cat "$AT/offset") of $size bytes" retry ;;
    '0 '*' 0') fail IMAGE_CORRUPT "it does not unpack; SHA-256 of what arrived is $got" retry ;;
    *' 0') fail IMAGE_CORRUPT "the stream broke off: $(cat "$AT/rc.stream") $(cat "$AT/rc.unpack")" retry ;;
    *) fail DISK_FAILED "writing failed after $(cat "$AT/offset") bytes of the image: $(tail -n 1 "$AT/log")" ;;
  esac
}

[ $# -gt 0 ] || return 0 # read by a test, for its functions
. "$AGENT/$1.sh"
perform || fail AGENT_FAILED "$(tail -n 1 "$AT/log")"
