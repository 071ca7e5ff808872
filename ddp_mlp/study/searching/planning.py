"""The plan of a search: its trials and its rules, after all that is refused before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec.structs import replace

from ddp_mlp.comm import Communicator, agreed, known_to_all
from ddp_mlp.config import Config
from ddp_mlp.data.dataset.dataset import DatasetFile
from ddp_mlp.data.dataset.split import Split
from ddp_mlp.engine.compilation import ready_kernels
from ddp_mlp.errors import UsageError
from ddp_mlp.study.choices import fold_assignments
from ddp_mlp.study.configurations import Configurations
from ddp_mlp.study.measuring import OF_EPOCHS, require_metric
from ddp_mlp.study.ranking import BY_OTHER_ROWS
from ddp_mlp.study.sampler import Assignment, Sampler
from ddp_mlp.study.samplers.choosing import Wish, choose_sampler, require_one_unit
from ddp_mlp.study.searching.halving import Halving, RunAll, halving_of, run_halved
from ddp_mlp.study.searching.units import Unit, require_an_order, unit_of
from ddp_mlp.study.study import Study, Summary
from ddp_mlp.study.trials import Tell
from ddp_mlp.training.inputs.data_files import open_splits
from ddp_mlp.training.inputs.parting import who_validates


@dataclass(frozen=True)
class HalvingWish:
    """The options of successive halving: one trial in `eta` goes on, from `min_epochs` on."""

    eta: int = 3
    min_epochs: int | None = None


def halving_wish(eta: int | None, min_epochs: int | None, *, halving: bool) -> HalvingWish | None:
    """Return the wish for successive halving, if there is one.

    Raises
    ------
    UsageError
        If its options are given without it; on all ranks.
    """
    if not halving and (eta or min_epochs):
        given = "--eta" if eta else "--min-epochs"
        raise known_to_all(UsageError(f"{given} is of successive halving; give --halving too, or leave it out"))
    return HalvingWish(eta or 3, min_epochs) if halving else None


@dataclass(frozen=True)
class Plan:
    """The trials of a search.

    Attributes
    ----------
    sampler : Sampler
    n_trials : int
    trials : sequence of sequence of str
        All trials where these are known, else some that stand for them.
    rule : Halving or None
    metric : str or None
        What ranks the trials.
    first : sequence of str
        Assignments of a first run.
    definition : mapping
        All that the trials depend on beside their configuration.
    """

    sampler: Sampler
    n_trials: int
    trials: Sequence[Sequence[Assignment]]
    rule: Halving | None
    metric: str | None
    first: Sequence[Assignment]
    definition: Mapping[str, Any]

    def run(
        self, study: Study, comm: Communicator, on_result: Callable[[list[Summary]], None], run_all: RunAll
    ) -> list[Summary]:
        """Collective. Run the trials and return their summaries, by number.

        Parameters
        ----------
        on_result : callable
            Called on rank 0 with the summaries so far.
        run_all : callable
            Collective. Runs all trials of a study.
        """
        if self.rule is None:
            return run_all(study, on_result)
        return run_halved(study, self.trials, self.rule, self.metric, comm, on_result, run_all)


def plan_search(
    wish: Wish, halving: HalvingWish | None, configure: Configurations, folds: int, comm: Communicator, tell: Tell
) -> Plan:
    """Collective. Return the plan of a search, and tell its rules on rank 0.

    Parameters
    ----------
    wish : Wish
    halving : HalvingWish or None
        None for trials that all come to their end.
    configure : Configurations
    folds : int
        Of each trial, 0 for none.
    comm : Communicator
    tell : callable
        Called on rank 0 with lines for the user.

    Raises
    ------
    UsageError
        If options or values do not go together, or mean nothing.
    MissingInputError, DataError
        If the data are not there, or cannot be parted.
    """
    with agreed(comm):
        chosen = choose_sampler(wish)
    more = fold_assignments(folds)[0] if folds else []
    for corner in chosen.corners:
        configure([*corner, *more])
    configs = [configure([*trial, *more]) for trial in chosen.trials]
    rule = None
    with agreed(comm):
        if halving is not None:
            _require_halving(wish)
            epochs = [config.train.epochs for config in configs]
            rule = halving_of(chosen.n_trials, epochs, halving.eta, halving.min_epochs)
    compared = "--halving" if rule else "--sampler tpe" if wish.chosen_kind == "tpe" else ""
    check_data(configs, wish.metric, comm, tell, compared)
    if comm.rank == 0:
        if wish.n_trials is not None and chosen.n_trials < wish.n_trials:
            n = chosen.n_trials
            tell(f"these keys have only {n} combinations of values: as many trials, not {wish.n_trials}")
        if rule:
            tell(rule.line())
    first = [*chosen.trials[0], *more]
    return Plan(
        chosen.sampler, chosen.n_trials, chosen.trials, rule, wish.metric, first, _definition(wish, rule, folds)
    )


def _definition(wish: Wish, rule: Halving | None, folds: int) -> dict[str, Any]:
    """Return all that decides which trials there are, and how far they go."""
    found = {**wish.definition(), "--folds": folds}
    if rule is not None:
        halved = {"--halving": list(rule.rungs), "--eta": rule.eta, "--trials": rule.n_trials}
        return {**found, **halved, "--metric": wish.metric}
    return {**found, "--metric": wish.metric} if wish.chosen_kind == "tpe" else found


def _require_halving(wish: Wish) -> None:
    """Raise UsageError where trials cannot be compared on the way."""
    if wish.kind == "tpe":
        raise UsageError("--halving goes with --sampler grid and random: tpe learns from trials that come to their end")
    if wish.metric not in (None, *OF_EPOCHS):
        raise UsageError(f"--halving: {wish.metric} is measured at the end only; take one of {', '.join(OF_EPOCHS)}")
    require_one_unit(wish.space(), wish.metric, "--halving")


def check_data(
    configs: Sequence[Config], metric: str | None, comm: Communicator, tell: Tell, compared: str = ""
) -> None:
    """Collective. Open the data of each configuration that has others, and see who would validate.

    Where these are not the same rows for all, a warning is told.

    Parameters
    ----------
    configs, metric, comm, tell
    compared : str
        Option by which trials are compared on the way, if any.

    Raises
    ------
    MissingInputError, DataError, UsageError
        As a run would end with; for a metric that the task has not, and where trials would have no order.
    """
    different: dict[bytes, list[Config]] = {}
    for config in configs:
        different.setdefault(msgspec.json.encode(config.data), []).append(config)
    ready_kernels(configs[0].train.dtype, comm, tell)  # they draw who validates
    validating, units = set(), set[Unit]()
    with agreed(comm):
        for alike in different.values():
            config = alike[0]
            with ExitStack() as stack:
                files, splits = open_splits(config.data, stack)
                if metric is not None:
                    require_metric(metric, "regression" if config.data.autoencode else files[0].schema.task)
                _, valid = who_validates(config, files[0], splits)
                rows = (files[-1].path, files[-1].selection[:2], splits[-1].name, valid.tobytes())
                validating.add(rows)
                told = {"validates": valid.size > 0, "weighted": splits[0].has_weights}
                found = (unit_of(each, files[0].schema, rows, **told) for each in alike)
                units |= {unit for unit in found if unit}
                if metric not in (None, "loss") and not valid.size:
                    raise UsageError(f"--metric {metric} is of rows that validate, and none do; rank by loss")
                if metric == "roc_auc":
                    _require_both_classes(config, files[0], splits)
        require_an_order(units, metric, compared, validates=all(rows[-1] for rows in validating))
    if comm.rank == 0 and len(validating) > 1:
        tell(
            "warning: what is tried under [data] has other rows validate in some trials than in others, "
            + BY_OTHER_ROWS
        )


def _require_both_classes(config: Config, file: DatasetFile, splits: list[Split]) -> None:
    """Raise UsageError where rows that validate, of any fold, are of one class."""
    for fold in range(config.data.folds or 1):
        data = replace(config.data, fold=fold) if config.data.folds else config.data
        _, valid = who_validates(replace(config, data=data), file, splits)
        split, rows = (splits[0], valid) if len(splits) == 1 else (splits[1], valid - splits[0].n_samples)
        if len(set(split.read(0, split.n_samples).targets[rows, 0].tolist())) < 2:
            where = f"the rows of fold {fold} are" if config.data.folds else "the rows that validate are"
            raise UsageError(f"--metric roc_auc compares two classes, but {where} of one; take another metric")
