#!/usr/bin/env bash
# The part of .ci/check_sam_local.sh that uses containers. That script starts this one, ends its remaining processes,
# and sets its variables: $scratch, $image, $build, $settings, $ARCHITECTURE and $target_cpu.
set -euo pipefail

# Prints the end of each log after a failure.
trap 'tail -n 30 "$scratch"/*.log >&2' ERR

wait_for() {
  local what=$1 deadline=$((SECONDS + 90))
  shift
  until "$@" >/dev/null 2>&1; do
    if [ $SECONDS -ge $deadline ]; then
      echo "$what did not start" >&2
      return 1
    fi
    sleep 0.2
  done
}

if [ "${1:-}" = own-engine ]; then
  ip link set lo up
  export DOCKER_HOST=unix://$scratch/docker.sock
  dockerd --host "$DOCKER_HOST" --data-root "$scratch/docker" --exec-root "$scratch/exec" --pidfile "$scratch/docker.pid" \
    --cgroup-parent "/$image" --log-level warn >"$scratch/docker.log" 2>&1 &
  wait_for 'the Docker Engine' docker info
fi
tar --create --directory "$scratch/root" . | docker import - "$image:base" >/dev/null

# The caller's settings must not reach the functions or the store.
unset "${!TASKLANE_@}" DATABASE_URL AWS_PROFILE AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN
export AWS_DEFAULT_REGION=eu-central-1 AWS_EC2_METADATA_DISABLED=true SAM_CLI_TELEMETRY=0
# The address of this machine inside containers.
gateway=$(docker run --rm --add-host gateway:host-gateway "$image:base" /bin/sh -c '
  while read -r address name; do if [ "$name" = gateway ]; then echo "$address"; fi; done </etc/hosts')
tasklane="target/debug/tasklane --data $scratch/data"
$tasklane dynamodb --seed --listen "$gateway:8000" >"$scratch/store.log" 2>&1 &

# Replaces the samconfig.toml here, the default build folder of `sam build`, and Lambda's image.
local=(--config-file "$settings" --template "$build/template.yaml" --invoke-image "$image:base" --skip-pull-image)

printf '\nsam local start-api\n'
sam local start-api "${local[@]}" >"$scratch/api.log" 2>&1 &
api=$!
wait_for 'the API' curl --fail --silent http://127.0.0.1:3000/v1/health
TEST_API_URL=http://127.0.0.1:3000 timeout 300 cargo test --offline --quiet --workspace --test stories anywhere:: | tee "$scratch/stories"
if ! grep --quiet 'ok. [1-9]' "$scratch/stories"; then
  echo 'no story ran' >&2
  exit 1
fi
served=$(grep --only-matching 'Mounting [A-Za-z]*Function at' "$scratch/api.log" | cut --delimiter ' ' --fields 2 | sort --unique)
ran=$(grep --only-matching '[A-Za-z]*Function as /var/task' "$scratch/api.log" | cut --delimiter ' ' --fields 1 | sort --unique)
if [ "$served" != "$ran" ]; then
  printf 'the stories do not call: %s\n' "$(comm -23 <(echo "$served") <(echo "$ran") | xargs)" >&2
  exit 1
fi
if grep --extended-regexp 'lane of tasks|tlr_|eyJ' "$scratch/api.log" >&2; then
  echo 'a function has logged a secret' >&2
  exit 1
fi
printf '%d functions ran in containers\n' "$(wc --lines <<<"$ran")"
kill "$api"
wait "$api" || true
if [ -n "$(docker ps --quiet --filter "ancestor=$image:rapid-$ARCHITECTURE")" ]; then
  echo 'sam local start-api has left containers' >&2
  exit 1
fi

# expect STATUS WHAT: compares the answer on standard input with a status, or with its beginning.
expect() {
  python3 -c '
import json, sys
answer = json.load(sys.stdin)
if not str(answer.get("statusCode")).startswith(sys.argv[1]):
    sys.exit(f"{sys.argv[2]}: {answer}")
print("ok   ", sys.argv[2], answer["statusCode"])' "$@"
}

printf '\nsam local invoke\n'
# These remove data that others need. They are in an order in which each still finds its own data.
last='DeleteTaskFunction RevokeSessionFunction RevokeOtherSessionsFunction ChangePasswordFunction LogoutFunction'
for function in $(grep --invert-match --line-regexp --fixed-strings "${last// /$'\n'}" <<<"$served") $last; do
  event=$(sed --regexp-extended 's/Function$//; s/([a-z])([A-Z])/\1-\L\2/g; s/^./\L&/' <<<"$function")
  status=2
  if [ "$event" = not-found ]; then status=404; fi
  sam local invoke "$function" --event "events/$event.json" "${local[@]}" 2>"$scratch/invoke.log" | expect "$status" "$event"
done

printf '\ncargo lambda watch and invoke\n'
# Uses the build of sam build if it requests the same options, including the processor that cargo lambda build names.
environment() {
  python3 -c '
import json, shlex
for name, value in json.load(open("events/env.json"))["Parameters"].items():
    print(f"export {name}={shlex.quote(value)}")'
}
(
  eval "$(environment)"
  export DATABASE_URL=dynamodb://local@$gateway:8000 RUSTFLAGS="-C target-cpu=$target_cpu"
  exec cargo lambda watch --package tasks --ignore-changes --release --target "$(uname -m)-unknown-linux-gnu" --offline
) >"$scratch/watch.log" 2>&1 &
wait_for 'cargo lambda watch' curl --silent http://127.0.0.1:9000/
timeout 120 cargo lambda invoke get-task --data-file events/get-task.json | expect 200 get-task
timeout 60 cargo lambda invoke create-task --data-file events/create-task.422-bad-fields.json | expect 422 create-task
