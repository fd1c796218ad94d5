# Work for a job: fetches the order, does it, tells how far it is, and has the last word. What is done is in /agent/PURPOSE.sh,
# which defines `perform`; everything it prints is kept, and its tail goes along with a failure.
# It runs in a session of its own, so that work that was called off ends at once, with all that it has started.

# work PURPOSE: does what the last answer told us to do. Returns when the appliance has heard how it went.
work() {
  WORK=$(answer work "$RUN/answer")
  AT=$RUN/work
  rm -rf "$AT"
  mkdir -p "$AT"
  if [ -z "$WORK" ] || [ ! -r "/agent/$1.sh" ]; then
    say "Told to $1, which this agent cannot do: waiting"
    sleep 5
    return
  fi
  status=$(curl -s -m 30 -o "$AT/order" -w '%{http_code}' "$APPLIANCE/agent/$WORK/work")
  if [ "$status" != 200 ]; then
    say "The work was not handed out (status $status)"
    sleep 2
    return
  fi
  say "Work for job $(answer job "$AT/order"): $1, attempt $(answer round "$AT/order")"
  began=$(uptime_of)
  export APPLIANCE WORK AT RUN
  setsid /bin/busybox sh /agent/work-run.sh "$1" </dev/null >"$AT/log" 2>&1 &
  worker=$!
  tell_progress "$worker" &
  teller=$!
  wait "$worker"
  status=$?
  kill "$teller" 2>/dev/null
  wait "$teller" 2>/dev/null
  if [ -e "$AT/called-off" ]; then
    say "The work was called off"
    return
  fi
  [ "$status" = 0 ] || dmesg 2>/dev/null | tail -n 25 >>"$AT/log"
  number measured seconds $(($(uptime_of) - began)) >>"$AT/measured"
  last_word "$status" >"$AT/result.json"
  TRIES=60 post "$AT/result.json" "agent/$WORK/result" "$AT/answer" || say "The last word was not taken"
  if [ "$status" = 0 ]; then say "Done in $(($(uptime_of) - began)) s"; else say "FAILED: $(cat "$AT/detail" 2>/dev/null)"; fi
}

uptime_of() { sed 's/\..*//' /proc/uptime; }

# number _ NAME VALUE, word _ NAME VALUE: a line for the measurements.
number() { printf '"%s":%s\n' "$2" "$3"; }

last_word() {
  {
    step=$(cat "$AT/step" 2>/dev/null)
    if [ "$1" = 0 ]; then
      printf '"ok":true\n"step":"%s"\n' "${step:-done}"
      printf '"measurements":%s\n' "$(object <"$AT/measured")"
    else
      printf '"ok":false\n"step":"%s"\n' "${step:-begin}"
      str code "$(cat "$AT/code" 2>/dev/null || echo AGENT_FAILED)"
      str detail "$(cat "$AT/detail" 2>/dev/null || tail -n 1 "$AT/log")"
      [ ! -e "$AT/retry" ] || printf '"retry":true\n'
      printf '"log":"%s"\n' "$(lines_of "$AT/log")"
    fi
  } | object
}

# lines_of FILE: its last lines as the inside of a JSON string.
lines_of() {
  tail -n 120 "$1" | tail -c 7000 | tr '\t\r' ' \n' | tr -d '\000-\011\013-\037\177-\377' |
    sed -e 's/[\\"]/\\&/g' -e 's/$/\\n/' | tr -d '\n'
}

# tell_progress PID: a new step within a second, how far it is every three; ends the work when its job is over. What is told
# takes its time from the work: between two words nothing is started but a sleep.
tell_progress() {
  told=
  told_step=
  silent=0
  while sleep 1; do
    silent=$((silent + 1))
    now_step=
    [ ! -r "$AT/step" ] || read -r now_step <"$AT/step" || :
    [ "$now_step" != "$told_step" ] || [ $((silent % 3)) = 0 ] || continue
    now="$now_step $(copied)"
    # Silence means trouble: something is said about every ten seconds even when nothing moves.
    [ "$now" != "$told" ] || [ "$silent" -ge 9 ] || continue
    # Only where nothing else shows that the work goes on: the looking costs a few processes.
    ACTIVITY=
    [ "$now" != "$told" ] || ACTIVITY=$(activity "$1")
    told=$now
    told_step=$now_step
    silent=0
    status=$(progress_json | curl -s -m 5 -o /dev/null -w '%{http_code}' -H 'Content-Type: application/json' \
      --data-binary @- "$APPLIANCE/agent/$WORK/progress")
    case $status in
      403 | 404 | 410)
        : >"$AT/called-off"
        kill -KILL "-$1" 2>/dev/null
        return
        ;;
    esac
  done
}

# copied: bytes of the running copy so far; nothing when there is none.
copied() {
  [ -e "$AT/copying" ] || return 0
  pid=$(cat "$AT/fetcher" 2>/dev/null)
  now=$(sed -n 's/^wchar: //p' "/proc/$pid/io" 2>/dev/null)
  echo $(($(cat "$AT/offset" 2>/dev/null || echo 0) + ${now:-0}))
}

# activity PID: a number that changes while the work of that session does anything: sectors that disks have moved, and half seconds
# of processor time. From /proc/PID/stat (session, utime, stime, cutime, cstime) and /sys/block/*/stat (sectors read, written).
activity() {
  {
    cat "${PROC:-/proc}"/[0-9]*/stat 2>/dev/null | sed 's/^.*) /cpu /'
    cat "${SYS:-/sys}"/block/*/stat 2>/dev/null | sed 's/^/io /'
  } | awk -v session="$1" '
    $1 == "cpu" && $5 == session { ticks += $13 + $14 + $15 + $16 }
    $1 == "io" { sectors += $4 + $8 }
    END { printf "%.0f", sectors + int(ticks / 50) }'
}

progress_json() {
  step=$(cat "$AT/step" 2>/dev/null)
  from=$(cat "$AT/percent" 2>/dev/null)
  bytes=$(copied)
  {
    printf '"step":"%s"\n' "${step:-begin}"
    if [ -n "$bytes" ] && read -r size to started <"$AT/copying"; then
      took=$(($(uptime_of) - started))
      num percent $((from + (to - from) * (bytes / 1024) / (size / 1024 + 1)))
      num bytes "$bytes"
      [ "$took" -lt 3 ] || [ "$bytes" = 0 ] || num etaSeconds $(((size - bytes) / (bytes / took + 1)))
    else
      num percent "$from"
    fi
    num activity "${ACTIVITY:-}"
    str note "$(tail -n 1 "$AT/note" 2>/dev/null)"
  } | object
}
