#!/usr/bin/env bash
# Checks a running server against its OpenAPI document: schemathesis sends valid and invalid requests, and the document
# must describe every answer. Needs `cargo build --workspace --bins`.
set -euo pipefail
cd "$(dirname "$0")/.."
source .ci/server.sh

# All requests come from one address and most are for one account, so the rate limits would stop the run.
limits=()
for what in REQUESTS_SOURCE REQUESTS_CALLER REGISTER_SOURCE REGISTER_ACCOUNT LOGIN_SOURCE LOGIN_ACCOUNT_SOURCE LOGIN_ACCOUNT \
  LOGIN_TOTAL_SOURCE LOGIN_TOTAL_ACCOUNT REFRESH_SOURCE REFRESH_SESSION PASSWORD_SOURCE PASSWORD_ACCOUNT \
  PASSWORD_TOTAL_SOURCE PASSWORD_TOTAL_ACCOUNT; do
  limits+=("TASKLANE_LIMIT_$what=1000000/1m")
done

address=$(free_address)
start_server "$address" "${limits[@]}"

call() {
  curl --fail-with-body --silent --show-error --header 'Content-Type: application/json' "http://$address/v1/$1" --data "$2"
}
access_token() {
  python3 -c 'import json, sys; print(json.load(sys.stdin)["access_token"])'
}
# How long requests are sent, in seconds. The access tokens are valid for 15 minutes.
time=${1:-150}
export ACCOUNT_PASSWORD=schemathesis-of-the-api
register() {
  call auth/register "{\"email\": \"$1@tasklane.example\", \"password\": \"$ACCOUNT_PASSWORD\"}" | access_token
}
ACCESS_TOKEN=$(register one)
OTHER_ACCESS_TOKEN=$(register other)
export ACCESS_TOKEN OTHER_ACCESS_TOKEN

# schemathesis leaves folders in its working directory.
cp .ci/schemathesis.toml .ci/schemathesis_hooks.py "$scratch"
cd "$scratch"
if ! schemathesis run "http://$address/v1/openapi.json" \
  --checks all \
  --mode all \
  --max-time "$time" \
  --generation-database none \
  --no-color; then
  echo "the server's last lines:" >&2
  tail -n 20 server.log >&2
  exit 1
fi
