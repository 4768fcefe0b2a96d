#!/usr/bin/env bash
# Runs the API with `sam local start-api`, each function in its own container, and runs the stories of
# server/tests/stories/anywhere.rs against it; then invokes functions as described in events/README.md. Needs `cargo
# build --workspace --bins` and a Docker Engine. Without a running one, root on Debian starts one with its own
# processes, mounts and network, so that nothing is left when the script ends, however it ends. With one, the ports
# 3000, 8000 and 9000 must be free.
set -euo pipefail
cd "$(dirname "$0")/.."

scratch=$(mktemp -d)
export scratch image=tasklane-local-$$
inside=
own_engine=

finish() {
  if [ -n "$inside" ]; then
    # It leads the process group of everything that it has started.
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
    echo 'no Docker Engine is running, and only root can start one' >&2
    exit 1
  fi
  if ! (command -v dockerd && command -v iptables && command -v ip) >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update --quiet=2
    apt-get install --quiet=2 --yes --no-install-recommends docker.io iptables iproute2 >/dev/null
  fi
fi

# The release profile takes half a minute per function and would not show more in this check.
export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_OPT_LEVEL=1
# The linker of this machine is sufficient.
export CARGO_LAMBDA_COMPILER=cargo
# Not in .aws-sam, which may contain a build that somebody is about to deploy.
export build=$PWD/target/ci-local
# The settings of a user who builds for this machine.
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

# The binaries were linked here and must start on Amazon Linux 2023, which has glibc 2.34.
newest=$(objdump --dynamic-syms "$build"/*/bootstrap | grep --only-matching 'GLIBC_[0-9.]*' | sort --version-sort --unique | tail -n 1)
if [ "$(printf '%s\nGLIBC_2.34\n' "$newest" | sort --version-sort | tail -n 1)" != GLIBC_2.34 ]; then
  echo "a function needs $newest, which Lambda does not have" >&2
  exit 1
fi

# If Lambda's base image cannot be pulled, a root file system with the programs that SAM and the functions call replaces
# it.
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

# Our own engine ends with this script (setpriv), and all its processes end with it (--kill-child).
if [ -n "$own_engine" ]; then
  setsid setpriv --pdeathsig KILL unshare --net --pid --fork --kill-child --mount-proc .ci/check_sam_local_inside.sh own-engine </dev/null &
else
  setsid .ci/check_sam_local_inside.sh </dev/null &
fi
inside=$!
wait "$inside"
