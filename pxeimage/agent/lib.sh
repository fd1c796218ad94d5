# Shared by every script of the agent: words to the console, words to the appliance, JSON, and the instruction loop.
# POSIX sh; runs under busybox ash in the image, and under any sh in the tests.

: "${RUN:=/run}"

# say SENTENCE: on the screen, the serial port and nowhere else.
say() {
  set -- "$(date +%H:%M:%S) $*"
  for console in /dev/tty0 /dev/ttyS0; do
    { [ -w "$console" ] && printf '%s\r\n' "$1" >"$console"; } 2>/dev/null
  done
  return 0
}

# cmdline_word NAME: the value of NAME=VALUE on the kernel command line.
cmdline_word() {
  tr ' ' '\n' <"${CMDLINE:-/proc/cmdline}" | sed -n "s/^$1=//p" | tail -n 1
}

set_appliance() {
  APPLIANCE=$1
  TOKEN=$2
}

# give_up WHY: says so, leaves a minute to read it, and reboots for a new try.
give_up() {
  say "FAILED: $1. Rebooting in 60 seconds."
  sleep 60
  reboot -f
}

# progress PHASE MESSAGE [LEVEL] [PERCENT]: one line for the appliance. In the background and with a short time-out:
# telling must never hold up doing.
progress() {
  say "$2"
  progress_body=$({
    str phase "$1"
    str message "$2"
    str level "${3:-info}"
    num percent "${4:-}"
  } | object)
  (
    curl -s -m 5 -o /dev/null -H 'Content-Type: application/json' \
      --data-binary "$progress_body" "$APPLIANCE/agent/$TOKEN/progress"
  ) &
}

# post FILE PATH OUT: posts JSON, at most TRIES times with growing pauses. 0: done; 1: the appliance refused (the status
# is in $STATUS) or never answered.
post() {
  tries=0
  while :; do
    tries=$((tries + 1))
    STATUS=$(curl -s -m 30 -o "$3" -w '%{http_code}' -H 'Content-Type: application/json' \
      --data-binary "@$1" "$APPLIANCE/$2")
    case $STATUS in
      2*) return 0 ;;
      4*)
        say "The appliance refused the report: $(head -c 400 "$3")"
        return 1
        ;;
    esac
    [ "$tries" -ge "${TRIES:-20}" ] && return 1
    pause=$((tries < 10 ? tries : 10))
    say "The appliance did not take the report (status $STATUS); trying again in $pause s"
    sleep "$pause"
  done
}

# --- JSON -------------------------------------------------------------------------------------------------------------
# A member is one line; a member without a usable value is no line at all, so that unknown fields are left out.

# quoted TEXT: printable ASCII, trimmed, at most 256 characters. What is that already, which is nearly all of it, is written without
# a process: a report has hundreds of these.
quoted() {
  case $1 in
    ' '* | *' ' | *[!A-Za-z0-9\ ._:/+=,@%#\(\)-]*) ;;
    *) [ ${#1} -gt 256 ] || { printf '"%s"\n' "$1"; return; } ;;
  esac
  printf '%s\n' "$1" | tr '\t\r' '  ' | tr -d '\000-\011\013-\037\177-\377' | head -n 1 | cut -c 1-256 |
    sed -e 's/^ *//' -e 's/ *$//' -e 's/[\\"]/\\&/g' -e 's/^/"/' -e 's/$/"/'
}

str() {
  value=$(quoted "$2")
  [ "$value" = '""' ] || printf '"%s":%s\n' "$1" "$value"
}

num() {
  case $2 in
    '' | *[!0-9]*) ;;
    0?*) printf '"%s":%s\n' "$1" "$(printf '%s' "$2" | sed 's/^0*\(.\)/\1/')" ;;
    *) printf '"%s":%s\n' "$1" "$2" ;;
  esac
}

# bool NAME 0|1
bool() {
  case $2 in
    1) printf '"%s":true\n' "$1" ;;
    0) printf '"%s":false\n' "$1" ;;
  esac
}

# raw NAME JSON
raw() {
  [ -z "$2" ] || [ "$2" = '{}' ] || printf '"%s":%s\n' "$1" "$2"
}

object() { awk 'BEGIN { printf "{" } { printf "%s%s", (NR > 1 ? "," : ""), $0 } END { print "}" }'; }
array() { awk 'BEGIN { printf "[" } { printf "%s%s", (NR > 1 ? "," : ""), $0 } END { print "]" }'; }

# --- Instructions -----------------------------------------------------------------------------------------------------

# answer NAME FILE: one value of the appliance's answer.
answer() { sed -n "s/^$1: //p" "$2" | head -n 1; }

# take_token FILE: the token that replaces ours, if the answer has one.
take_token() {
  new=$(answer token "$1")
  [ -z "$new" ] || TOKEN=$new
}

# follow INSTRUCTION: does what the appliance says, for ever.
follow() {
  instruction=$1
  while :; do
    case $instruction in
      recon)
        # The report is answered with the next instruction.
        if . /agent/recon.sh && post "$RUN/report.json" "recon/$TOKEN" "$RUN/answer"; then
          summary "$RUN/answer"
          instruction=$(answer instruction "$RUN/answer")
          take_token "$RUN/answer"
        else
          give_up "the appliance refused the report (${STATUS:-no answer})"
        fi
        ;;
      install | recycle | burn-in)
        . /agent/work.sh
        work "$instruction"
        heartbeat
        ;;
      reboot)
        say "Rebooting, as the appliance says"
        sync
        reboot -f
        ;;
      poweroff)
        say "Powering off, as the appliance says"
        sync
        poweroff -f
        ;;
      *)
        [ "$instruction" = wait ] || say "Unknown instruction '$instruction': waiting"
        heartbeat
        ;;
    esac
  done
}

# heartbeat: asks what to do; the appliance holds the question for a while when there is nothing.
heartbeat() {
  status=$(curl -s -m 60 -o "$RUN/answer" -w '%{http_code}' "$APPLIANCE/agent/$TOKEN/next")
  case $status in
    200)
      missed=0
      instruction=$(answer instruction "$RUN/answer")
      take_token "$RUN/answer"
      return
      ;;
    403 | 404 | 410) give_up "this boot's token is no longer good" ;;
  esac
  missed=$((${missed:-0} + 1))
  [ "$missed" -le 120 ] || give_up "the appliance has not answered for ten minutes"
  instruction="wait"
  sleep 5
}

summary() {
  say "------------------------------------------------------------"
  say "  $(answer hardwarename "$1")   $(answer state "$1")"
  say "  $(answer message "$1")"
  say "------------------------------------------------------------"
}
