#!/usr/bin/env bash
# Runs every line of the README's tour in one session against a new server, and stops at the first failure. A curl that
# gets a 4xx or 5xx counts as a failure. Needs `cargo build --workspace --bins`.
set -euo pipefail
cd "$(dirname "$0")/.."
source .ci/server.sh

# The tour uses the default address; if it is taken, the lines run against another one.
address=127.0.0.1:8080
if (: </dev/tcp/127.0.0.1/8080) 2>/dev/null; then
  address=$(free_address)
fi
export README=$scratch/README.md
sed "s/\(127\.0\.0\.1\|localhost\):8080/$address/g" README.md >"$README"

# Prints the code block that begins at this line.
show() {
  printf '\n'
  sed -n "$(($1 + 1))"',/^```/{/^```/!s/^/$ /p}' "$README"
}
export -f show

# Keeps the lines of the tour's code blocks at their line numbers; the fence of a block becomes a call that shows it.
awk '
  NR == 1 { print "trap '\''echo \"README.md:$LINENO: this line failed\" >&2'\'' ERR"; next }
  /^```/ { inside = !inside; code = inside && tour && /^```sh$/; print code ? "show $LINENO" : ""; next }
  /^## / && !inside { tour = /^## A tour$/ }
  { print code ? $0 : "" }
' "$README" >"$scratch/tour"
if ! grep --quiet '^show ' "$scratch/tour"; then
  echo 'README.md has no ```sh block below "## A tour"' >&2
  exit 1
fi

start_server "$address"
printf 'fail-with-body\nno-progress-meter\n' >"$scratch/.curlrc"
CURL_HOME=$scratch TASKLANE_DATA=$scratch/data bash -eu -o pipefail "$scratch/tour" </dev/null
