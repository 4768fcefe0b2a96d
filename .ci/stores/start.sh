# Sourced by bash scripts that need their own database server, with `set -euo pipefail`; after .ci/server.sh, if that is
# sourced too. The servers end with the script. .ci/stores/build.sh builds them; moto is a Python package.
#
#   start_store mongo-java FOLDER [PORT]   a kind of server, its data (mongo-java, ferretdb) and its log in the folder;
#   start_store ferretdb FOLDER [PORT]     returns when it answers, and sets store_port, store_address (127.0.0.1:PORT),
#   start_store dynamodb FOLDER [PORT]     store_url and store_pid. Without PORT it takes a free one
#   stop_store PID [SIGNAL]                returns when it is gone. KILL is the signal of a crash
#
# To crash a server and restart it: stop_store "$store_pid" KILL; start_store KIND SAME_FOLDER "$store_port".

stores=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/target/stores
store_pids=()

stop_store() {
  local pid left=()
  for pid in "${store_pids[@]}"; do
    [ "$pid" = "$1" ] || left+=("$pid")
  done
  store_pids=("${left[@]}")
  kill -"${2:-TERM}" "$1" 2>/dev/null || true
  wait "$1" 2>/dev/null || true
}

stop_stores() {
  local pid
  for pid in "${store_pids[@]}"; do
    stop_store "$pid" KILL
  done
}

# The caller's own trap runs afterwards.
after_stores() {
  trap "stop_stores; ${3:-:}" EXIT
}
eval "after_stores $(trap -p EXIT)"
[ -n "$(trap -p INT)" ] || trap 'exit 130' INT
[ -n "$(trap -p TERM)" ] || trap 'exit 143' TERM

# store_answers KIND PORT LOG: whether the server has the port, which another process could have taken, and answers a
# ping.
store_answers() {
  grep --quiet --no-messages --extended-regexp "(listening on |Running on http://)127.0.0.1:$2\$" "$3" || return
  if [ "$1" = dynamodb ]; then
    curl --silent --output /dev/null --max-time 2 "http://127.0.0.1:$2/moto-api/"
    return
  fi
  # A message of 51 bytes with the document {ping: 1, $db: "admin"}.
  (
    exec 3<>"/dev/tcp/127.0.0.1/$2"
    printf '\x33\0\0\0\1\0\0\0\0\0\0\0\xdd\7\0\0\0\0\0\0\0\x1e\0\0\0\x10ping\0\1\0\0\0\2$db\0\6\0\0\0admin\0\0' >&3
    [ -n "$(timeout 2 head --bytes 1 <&3)" ]
  ) 2>/dev/null
}

start_store() {
  local kind=$1 folder=$2 deadline=$((SECONDS + 60)) command log=$2/$1.log
  store_port=${3:-$(python3 -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])')}
  mkdir -p "$folder"
  case $kind in
    mongo-java) command=("$stores/mongo-java/run.sh" "$store_port" "$folder") ;;
    ferretdb) command=("$stores/ferretdb/ferretdb" "$store_port" "$folder") ;;
    dynamodb) command=("$(dirname "${BASH_SOURCE[0]}")/serve_dynamodb.py" "$store_port") ;;
    *)
      echo "$kind is not a kind of store" >&2
      exit 1
      ;;
  esac
  [ ! -e "$log" ] || cat "$log" >>"$log.old"
  "${command[@]}" >"$log" 2>&1 </dev/null &
  store_pid=$!
  store_pids+=("$store_pid")
  store_address=127.0.0.1:$store_port
  store_url=mongodb://$store_address
  [ "$kind" != dynamodb ] || store_url=dynamodb://$store_address
  until store_answers "$kind" "$store_port" "$log"; do
    if ! kill -0 "$store_pid" 2>/dev/null || [ $SECONDS -ge $deadline ]; then
      echo "$kind did not start:" >&2
      cat "$log" >&2
      exit 1
    fi
    sleep 0.05
  done
}
