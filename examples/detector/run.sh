#!/usr/bin/env bash
# Kinds of particles from a compound HDF5 table, in place, on two ranks.
#
#   bash run.sh
#
# Expect that about 91 of 100 tracks that validate are told right; the others are fast, and fast particles are alike.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

python "$here/make_data.py"
cp "$here/detector.toml" .
ddp-mlp data inspect detector.h5:/2026/run7 --features tracks:momentum,tracks:loss,tracks:time --targets tracks:kind
ddp-mlp launch -n 2 train detector.toml --overwrite --out runs/detector
ddp-mlp evaluate runs/detector detector.h5:/2026/run7 --split valid
