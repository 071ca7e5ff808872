"""The rules of an update beside the optimiser: limit of the norm, penalties, norms of layers."""

from __future__ import annotations

from dataclasses import dataclass

from ddp_mlp.catalog.optimizers import OPTIMIZERS
from ddp_mlp.config import Config


@dataclass(frozen=True)
class UpdateRules:
    """The rules of an update beside the optimiser.

    Attributes
    ----------
    clip_norm : float
        Largest norm of the mean gradient; 0 for no limit.
    l1, l2, lq, q : float
        Penalty ``l1 sum |w| + l2/2 sum w^2 + lq sum |w|^q`` over all weights.
    layer_norms : bool
        Whether to report the norm of the mean gradient of each weight.
    """

    clip_norm: float = 0.0
    l1: float = 0.0
    l2: float = 0.0
    lq: float = 0.0
    q: float = 1.0
    layer_norms: bool = False

    @property
    def has_penalty(self) -> bool:
        """Whether there is a penalty at all."""
        return self.l1 > 0 or self.l2 > 0 or self.lq > 0


def keeps_gradient(optimizer: str, rules: UpdateRules) -> bool:
    """Tell whether an update needs the whole mean gradient before it begins, and so keeps it."""
    return rules.clip_norm > 0 or OPTIMIZERS[optimizer].needs_whole_gradient


def update_rules(config: Config) -> UpdateRules:
    """Return the rules of a configuration for the update, beside the optimiser."""
    loss, train = config.loss, config.train
    q = 1.0 if loss.q is None else loss.q
    return UpdateRules(train.clip_norm, loss.l1, loss.l2, loss.lq, q, train.log_layer_norms)
