#!/usr/bin/env bash
# PORT [FOLDER]: becomes the server, its data in the folder, or in memory. STORE_LOG=error shows what it complains of.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
if [ $# -gt 1 ]; then
  mkdir -p "$2"
  set -- "$1" "$2/store.mv"
fi
exec java -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
  -Dorg.slf4j.simpleLogger.defaultLogLevel="${STORE_LOG:-off}" -cp "$here/main.jar:$here/lib/*" Main "$@"
