#!/usr/bin/env bash
# Runs the API as `sam local start-api` does, every function in a container of its own, and tells it the stories of
# server/tests/stories/anywhere.rs; then invokes functions as events/README.md says. Needs `cargo build --workspace --bins`
# and a Docker Engine. Where none runs, root on Debian starts one, with processes, mounts and a network of its own, so that
# nothing of it is left when the script ends, however it ends. Where one runs, the ports 3000, 8000 and 9000 must be free.
set -euo pipefail
cd "$(dirname "$0")/.."

scratch=$(mktemp -d)
export scratch image=tasklane-local-$$
inside=
own_engine=

finish() {
  if [ -n "$inside" ]; then
    # It leads the group of all that it has started.
    kill -KILL -- "-$inside" 2>/dev/null || true
    wait "$inside" 2>/dev/null || true
    if [ -n "$own_engine" ]; then
      find /sys/fs/cgroup -depth -type d -path "*/$image/*" -o -type d -name "$image" | xargs --no-run-if-empty rmdir 2>/dev/null || true
    else
      local tag
      for tag in base "rapid-$ARCHITECTURE"; do
        docker ps --all --quiet --filter "ancestor=$image:$tag" | xargs --no-run-if-empty docker rm --force >/dev/null || true
        docker image rm --force "$image:$tag" >/dev/null 2>&1 || true
      done
    fi
  fi
  rm -rf "$scratch"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

case $(uname -m) in
  x86_64) ARCHITECTURE=x86_64 target_cpu=haswell ;;
  aarch64) ARCHITECTURE=arm64 target_cpu=neoverse-n1 ;;
  *) echo "Lambda has no $(uname -m)" >&2 && exit 1 ;;
esac
export ARCHITECTURE target_cpu

if ! docker info >/dev/null 2>&1; then
  own_engine=yes
  if [ "$(id -u)" != 0 ]; then
    echo 'no Docker Engine runs, and only root can start one' >&2
    exit 1
  fi
  if ! (command -v dockerd && command -v iptables && command -v ip) >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update --quiet=2
    apt-get install --quiet=2 --yes --no-install-recommends docker.io iptables iproute2 >/dev/null
  fi
fi

# The release profile takes half a minute for each function, of which this check would learn nothing.
export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_OPT_LEVEL=1
# For this machine, its own linker will do.
export CARGO_LAMBDA_COMPILER=cargo
# Beside the .aws-sam folder, which may hold what somebody is about to deploy.
export build=$PWD/target/ci-local
# As somebody would set it who builds for this machine.
export settings=$scratch/samconfig.toml
sed "s/^# \(parameter_overrides = \).*/\1\"Architecture=$ARCHITECTURE\"/" samconfig.toml >"$settings"
begun=$SECONDS
sam build --config-file "$settings" --build-dir "$build" >"$scratch/build" 2>&1 || {
  cat "$scratch/build" >&2
  exit 1
}
sizes=$(stat --format %s "$build"/*/bootstrap | sort --numeric-sort)
printf '%d functions built in %d s, of %d to %d KiB\n' "$(wc --lines <<<"$sizes")" $((SECONDS - begun)) \
  $(($(head -n 1 <<<"$sizes") / 1024)) $(($(tail -n 1 <<<"$sizes") / 1024))

# What was linked here must start there: Amazon Linux 2023 has glibc 2.34.
newest=$(objdump --dynamic-syms "$build"/*/bootstrap | grep --only-matching 'GLIBC_[0-9.]*' | sort --version-sort --unique | tail -n 1)
if [ "$(printf '%s\nGLIBC_2.34\n' "$newest" | sort --version-sort | tail -n 1)" != GLIBC_2.34 ]; then
  echo "a function needs $newest, which Lambda does not have" >&2
  exit 1
fi

# Where Lambda's own base image cannot be pulled, a root file system with what SAM and the functions call stands in for it.
mkdir -p "$scratch"/root/{bin,tmp,var/task}
cp_with_libraries() {
  cp --dereference "$1" "$scratch/root$2"
  ldd "$1" | { grep --only-matching '/[^ ]*' || true; } | while read -r library; do
    mkdir -p "$scratch/root${library%/*}"
    cp --dereference "$library" "$scratch/root$library"
  done
}
for program in sh mv chmod; do
  cp_with_libraries "$(command -v "$program")" "/bin/$program"
done
for function in "$build"/*/bootstrap; do
  cp_with_libraries "$function" /tmp/bootstrap
done
rm "$scratch/root/tmp/bootstrap"

cargo test --quiet --workspace --test stories --no-run

# The engine's own: dies with this script (setpriv), and everything in it with it (--kill-child).
if [ -n "$own_engine" ]; then
  setsid setpriv --pdeathsig KILL unshare --net --pid --fork --kill-child --mount-proc .ci/check_sam_local_inside.sh own-engine </dev/null &
else
  setsid .ci/check_sam_local_inside.sh </dev/null &
fi
inside=$!
wait "$inside"
