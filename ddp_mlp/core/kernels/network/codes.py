"""The numbers by which kernels know the entries of `ddp_mlp.catalog`."""

from __future__ import annotations

from ddp_mlp.catalog.activations import ACTIVATIONS
from ddp_mlp.catalog.losses import LOSSES
from ddp_mlp.catalog.optimizers import OPTIMIZERS
from ddp_mlp.catalog.outputs import OUTPUTS

LOSS_CODES = {name: code for code, name in enumerate(LOSSES)}
OUTPUT_CODES = {name: code for code, name in enumerate(OUTPUTS)}

#: Value and derivative by code; activations of the same functions share it.
FUNCTIONS = list(dict.fromkeys((entry.value, entry.derivative) for entry in ACTIVATIONS.values()))
ACTIVATION_CODES = {name: FUNCTIONS.index((entry.value, entry.derivative)) for name, entry in ACTIVATIONS.items()}

#: Updates by code; optimisers of the same update share it.
UPDATES = list(dict.fromkeys(entry.update for entry in OPTIMIZERS.values()))
UPDATE_CODES = {name: UPDATES.index(entry.update) for name, entry in OPTIMIZERS.items()}
