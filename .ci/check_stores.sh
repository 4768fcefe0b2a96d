#!/usr/bin/env bash
# Runs the contract cases on every store, the server's stories on MongoDB, and the stories about failures of MongoDB.
# First builds the database servers: see .ci/stores/build.sh. Needs moto, from .ci/requirements.txt.
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

TEST_DYNAMODB_ENGINE=1 cargo test --workspace --test contract
cargo test --workspace --test stories -- --include-ignored
