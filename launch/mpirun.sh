#!/bin/sh
# Train on RANKS ranks of this machine with the MPI launcher on PATH.
#   launch/mpirun.sh 4 launch/mnist.toml --out runs/mnist
# `ddp-mlp launch -n 4 train ...` does the same and finds the right launcher by itself.
set -eu
ranks=${1:?usage: mpirun.sh RANKS CONFIG [OPTION...]}
shift
exec mpiexec -n "$ranks" ddp-mlp train "$@"
