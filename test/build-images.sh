#!/bin/bash
# Builds what the tests boot: pxeimage and a snapshot, at the same time. However this ends, Ctrl-C included, both builds end with it:
# a shell lets what it runs in the background ignore Ctrl-C, so each is a group of processes of its own, which is told to end.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

groups=()
end() {
  trap '' INT TERM HUP
  for group in "${groups[@]}"; do kill -TERM -- "-$group" 2>/dev/null; done
  wait
}
trap end EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

build() {
  set -m
  "$@" </dev/null &
  groups+=("$!")
  set +m
}

build pxeimage/build.sh boot lab
build pxeimage/snapshots/build.sh debian-12
status=0
for group in "${groups[@]}"; do wait "$group" || status=1; done
exit "$status"
