"""The parts of a page that need the data of a run: which features matter, and how healthy they are."""

from __future__ import annotations

from ddp_mlp.checkpoint.model import load_model
from ddp_mlp.errors import DdpMlpError
from ddp_mlp.report.health_page import health_section, importance_section
from ddp_mlp.report.importance import importance_of
from ddp_mlp.report.markup import Markup, element, joined
from ddp_mlp.report.record import Record
from ddp_mlp.report.samples import samples_of


def about_data(record: Record) -> Markup:
    """Return the sections about importance and health; the reason where the data cannot be read.

    Parameters
    ----------
    record : Record
        A run that is over, whose data set is there and has been seen to be that of its training.
    """
    try:
        model = load_model(record.path)
        samples = samples_of(model, str(record.setting("data", "train")))
    except DdpMlpError as error:
        return element("p", f"The data are not shown: {error}", class_="hint")
    judged = next((s for name in ("valid", "test", "train") for s in samples if s.name == name), samples[0])
    return joined([importance_section(importance_of(model, judged)), health_section(model.schema, samples)])
