# Sourced by scripts that need their own server: it has an empty data folder and ends with the script.

scratch=$(mktemp -d)
server=

finish() {
  if [ -n "$server" ]; then
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  fi
  rm -rf "$scratch"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

free_address() {
  python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print("127.0.0.1:%d" % s.getsockname()[1])'
}

# start_server ADDRESS [NAME=VALUE...]: returns when the server answers. The caller's settings do not reach it.
start_server() {
  local address=$1 deadline=$((SECONDS + 30))
  shift
  env -i PATH="$PATH" "$@" target/debug/tasklane --listen "$address" --data "$scratch/data" \
    >"$scratch/server.log" 2>&1 </dev/null &
  server=$!
  until curl --fail --silent --output /dev/null "http://$address/v1/health"; do
    if ! kill -0 "$server" 2>/dev/null || [ $SECONDS -ge $deadline ]; then
      echo "the server did not start:" >&2
      cat "$scratch/server.log" >&2
      exit 1
    fi
    sleep 0.05
  done
}
