"""The rules that end a fit or lower its rate, as scikit-learn has them: by the training loss or a validation score."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

#: Of the rate that is left by one fall of "adaptive", and the rate at which it ends the fit instead.
_FALL, _LEAST_RATE = 0.2, 1e-6


@dataclass
class Watch:
    """The epochs so far, and the decisions that follow from them; plain numbers, the same on every rank.

    Attributes
    ----------
    tol : float
        Least change that counts as better.
    patience : float
        Epochs in a row without one that are borne.
    learning_rate : str
        "constant", "invscaling" or "adaptive".
    rate : float
        That of the first step.
    power : float
        Of "invscaling".
    score : str
        The column of ``metrics.csv`` that is the score of validation; empty where the loss of training is watched.
    factor : float
        The part of the rate that the next epoch takes.
    n_samples : int
        Rows that steps have taken so far.
    """

    tol: float
    patience: float
    learning_rate: str
    rate: float
    power: float
    score: str = ""
    factor: float = 1.0
    n_samples: int = 0
    n_waited: int = 0
    best_loss: float = float("inf")
    best_score: float = -float("inf")
    losses: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    reason: str = ""

    def after(self, row: dict[str, Any], n_samples: int) -> bool:
        """Take note of an epoch by its row of ``metrics.csv``; tell whether it is the best that validated so far."""
        self.losses.append(float(row["train_loss"]) + float(row.get("penalty", 0.0)))
        is_best = self._note_score(row) if self.score else self._note_loss()
        self.n_samples += n_samples
        if self.learning_rate == "invscaling":
            self.factor = (self.n_samples + 1.0) ** -self.power
        if self.n_waited > self.patience:
            self._lose_patience()
        return is_best

    def _note_loss(self) -> bool:
        loss = self.losses[-1]
        self.n_waited = self.n_waited + 1 if loss > self.best_loss - self.tol else 0
        self.best_loss = min(self.best_loss, loss)
        return False

    def _note_score(self, row: dict[str, Any]) -> bool:
        score = -float(row["valid_loss"]) if self.score == "valid_loss" else float(row[self.score])
        self.scores.append(score)
        self.n_waited = self.n_waited + 1 if score < self.best_score + self.tol else 0
        is_best = score > self.best_score
        self.best_score = max(self.best_score, score)
        return is_best

    def _lose_patience(self) -> None:
        if self.learning_rate == "adaptive" and self.rate * self.factor > _LEAST_RATE:
            self.factor, self.n_waited = self.factor * _FALL, 0
            return
        watched = "Validation score" if self.score else "Training loss"
        self.reason = (
            f"{watched} did not improve more than tol={self.tol:f} for {self.patience:g} consecutive epochs. Stopping."
        )
