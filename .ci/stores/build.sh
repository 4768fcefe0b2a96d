#!/usr/bin/env bash
# Builds the database servers that the tests talk to into target/stores/; what is up to date stays as it is. Needs a
# Java 17 compiler, Maven and Go 1.24; as root on Debian, a continuous integration run installs the first two.
#
#   target/stores/mongo-java/run.sh PORT [FOLDER]   MongoDB's protocol: atomic updates, nothing swept by TTL
#   target/stores/ferretdb/ferretdb PORT FOLDER     the same protocol: closer in types and errors; updates race
#
# Both become the server, so that killing the process kills it, at any moment and without loss of what was acknowledged.
# They listen on 127.0.0.1 and, once they answer, print "listening on 127.0.0.1:PORT"; port 0 takes a free one.
set -euo pipefail
cd "$(dirname "$0")/../.."

sources=.ci/stores
stores=$PWD/target/stores

# need COMMAND WHAT [PACKAGE]
need() {
  command -v "$1" >/dev/null && return
  if [ -n "${3-}" ] && [ -n "${CI-}" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "stores: installing $3"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends "$3" >/dev/null
    command -v "$1" >/dev/null && return
  fi
  echo "stores: $2 is missing: there is no $1 on the PATH" >&2
  exit 1
}

build_mongo-java() {
  need javac "a Java 17 compiler" openjdk-17-jdk-headless
  need mvn Maven maven
  mvn --batch-mode --quiet --file "$sources/mongo-java/pom.xml" \
    -Doutput="$stores/work/mongo-java" clean package
  cp -R "$stores/work/mongo-java/lib" "$stores/work/mongo-java/main.jar" "$sources/mongo-java/run.sh" "$1"
}

build_ferretdb() {
  need go "Go 1.24"
  CGO_ENABLED=0 go build -C "$sources/ferretdb" -buildvcs=false -trimpath -tags ferretdb_no_postgresql \
    -o "$1/ferretdb" .
}

checksum() {
  find "$sources/build.sh" "$sources/$1" -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
}

# What is half built never stands where the tests look.
build() {
  local name=$1 begun=$SECONDS sum
  sum=$(checksum "$name")
  if [ "$sum" = "$(cat "$stores/$name/sources.sha256" 2>/dev/null)" ]; then
    echo "stores: $name is up to date"
    return
  fi
  echo "stores: building $name"
  rm -rf "$stores/work/new"
  mkdir -p "$stores/work/new"
  "build_$name" "$stores/work/new"
  echo "$sum" >"$stores/work/new/sources.sha256"
  rm -rf "${stores:?}/$name"
  mv "$stores/work/new" "$stores/$name"
  echo "stores: built $name in $((SECONDS - begun)) s"
}

mkdir -p "$stores"
exec 9>"$stores/lock"
flock 9
build mongo-java
build ferretdb
