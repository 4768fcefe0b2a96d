#!/usr/bin/env bash
# Checks the budgets that a few functions can show in a few minutes: start, warm requests and size. The budgets are
# ratios within one run and have a tolerance of a quarter, so that a busy machine does not fail a good change. For all
# functions and all other measurements see bench/README.md.
set -euo pipefail
cd "$(dirname "$0")/.."

bench() {
  cargo run --quiet --package bench -- "$@" --without-usual --check
}

# register is the largest function, and reads signing keys at its start.
bench start --runs 40 --warm 100 --functions get-task,create-task,register
bench size --functions get-task,create-task,register
