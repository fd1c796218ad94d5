#!/bin/bash
# Runs every kind of test and adds up: the last line is "N passed, N failed". A kind that fails does not stop the others.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
export PATH=$PWD/node_modules/.bin:$PATH
passed=0 failed=0 failures=
reports=$(mktemp -d)
group=
trap '[ -z "$group" ] || kill -TERM -- "-$group" 2>/dev/null; rm -rf "$reports"' EXIT

# Types, lint and format count as one test each.
step() {
  local name=$1; shift
  echo "== $name"
  if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); failures+="$name"$'\n'; fi
}

# Runs a vitest project in a group of processes of its own, which ends with this one, however that ends. Its report and how it
# ended are kept for `count`.
run() {
  local name=$1; shift
  set -m
  {
    echo "== $name"
    vitest run "$@" --reporter=default --reporter=json --outputFile.json="$reports/$name.json"
    echo $? >"$reports/$name.status"
  } </dev/null &
  group=$!
  set +m
  wait "$group"
  group=
}

# Adds its own counts, out of its JSON report, and what failed in it. A run without a report, or without a test, is a failure.
count() {
  local name=$1 status counts
  status=$(cat "$reports/$name.status" 2>/dev/null) || status=none
  counts=$(node -e '
    const report = JSON.parse(require("node:fs").readFileSync(process.argv[1], "utf8"));
    if (report.numTotalTests === 0) throw new Error("there was no test");
    const suites = report.testResults.filter((file) => file.status === "failed" && file.assertionResults.length === 0);
    console.log(report.numPassedTests, report.numFailedTests + report.numPendingTests + suites.length);
    for (const suite of suites) console.log(`${suite.name}: ${suite.message}`);
    for (const file of report.testResults)
      for (const test of file.assertionResults.filter(({ status }) => status === "failed"))
        console.log(`${file.name}: ${test.fullName}\n${test.failureMessages.join("\n").slice(0, 800)}`);
  ' "$reports/$name.json" 2>/dev/null) || counts="0 1"$'\n'"$name: no report of tests; vitest ended with $status"
  if [ "${counts#*$'\n'}" != "$counts" ]; then failures+="${counts#*$'\n'}"$'\n'; fi
  set -- ${counts%%$'\n'*}
  if [ "$status" != 0 ] && [ "$2" = 0 ]; then set -- "$1" 1; failures+="$name: vitest ended with $status"$'\n'; fi
  passed=$((passed + $1)) failed=$((failed + $2))
}

step types tsc --noEmit
step lint biome check .
# One after the other: a browser ends its requests when the lab changes the networks of this computer (ERR_NETWORK_CHANGED).
for name in unit fuzz interop e2e; do run "$name" --project "$name"; count "$name"; done

# At the end, where whoever reads only the tail of the log finds them.
[ -z "$failures" ] || printf '== what failed\n%s' "$failures"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
