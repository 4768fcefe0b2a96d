#!/usr/bin/env bash
# What every store promises, on every store there is; the server's stories on MongoDB; and what clients see when that
# breaks down. Builds the database servers first: see .ci/stores/build.sh. Needs moto, which .ci/requirements.txt has.
set -euo pipefail
cd "$(dirname "$0")/.."

.ci/stores/build.sh
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
source .ci/stores/start.sh

start_store dynamodb "$scratch/moto"
TEST_DYNAMODB_URL=$store_url
start_store mongo-java "$scratch/mongo-java"
TEST_MONGODB_URL=$store_url
start_store ferretdb "$scratch/ferretdb"
TEST_FERRETDB_URL=$store_url
export TEST_DYNAMODB_URL TEST_MONGODB_URL TEST_FERRETDB_URL

cargo test --workspace --test contract
cargo test --workspace --test stories -- --include-ignored
