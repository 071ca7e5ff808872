#!/usr/bin/env bash
# A surrogate of a simulation, and how far it can be trusted: an ensemble of five networks that differ in their seeds.
#
#   pip install "ddp-mlp[export]"
#   bash run.sh                  # or RANKS=2 bash run.sh: the same bits
#
# Expect errors of 2 to 8 % of the spread of each quantity, less with the mean of five; nine in ten answers within two standard
# deviations of the five; and networks that disagree ten times more about parameters outside those that were simulated, of which
# the program also warns by itself.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

python "$here/simulation.py"
ddp-mlp data import simulations.csv --target deflection_m --target speed_m_s --target energy_J --test-fraction 0.1 --force --out simulations.h5
cp "$here/surrogate.toml" .
ddp-mlp launch -n "${RANKS:-1}" ensemble surrogate.toml --members 5 --resume --out runs/surrogate
ddp-mlp evaluate runs/surrogate simulations.h5 --split test
ddp-mlp export runs/surrogate --out surrogate.onnx --force --check
ddp-mlp report runs/surrogate
python "$here/trust.py"
