#!/usr/bin/env bash
# Whether the budgets hold that can be held against a few functions in a few minutes: start, warm requests and size.
# Ratios within one run, and never by more than a quarter, so that a busy machine does not fail a good change. All
# functions, and everything else that is measured: bench/README.md.
set -euo pipefail
cd "$(dirname "$0")/.."

bench() {
  cargo run --quiet --package bench -- "$@" --without-usual --check
}

# register is the largest that there is, and reads signing keys at its start.
bench start --runs 40 --warm 100 --functions get-task,create-task,register
bench size --functions get-task,create-task,register
