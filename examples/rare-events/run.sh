#!/usr/bin/env bash
# Find rare events: the same network with classes that weigh the same, and without.
#
#   bash run.sh
#
# Expect that the network with weights finds about two thirds of the failing valves and calls many sound ones failing, and that
# the one without finds two fifths and is seldom wrong when it does: 90 and 96 of 100 answers are right. Which is better depends on
# what a missed valve costs.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

python "$here/make_data.py"
ddp-mlp data import events.csv --target valve --test-fraction 0.25 --stratify --force --out rare-events.h5
cp "$here/rare-events.toml" .
ddp-mlp train rare-events.toml --overwrite --out runs/balanced
ddp-mlp train rare-events.toml --overwrite --out runs/plain --set loss.class_weights=none
echo "with weights:" && ddp-mlp evaluate runs/balanced rare-events.h5 --split test
echo "without:" && ddp-mlp evaluate runs/plain rare-events.h5 --split test
