"""The health of the data of a run as JSON, for the server: ``python -m ddp_mlp.service.running.health RUN_DIR``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec

from ddp_mlp.errors import DdpMlpError
from ddp_mlp.unforeseen import plain_error

_MOST_FEATURES = 1000


def main(run_dir: Path) -> int:
    """Print the findings and return the exit code."""
    try:
        found = _findings(run_dir)
    except Exception as error:
        plain: DdpMlpError = plain_error(error)
        sys.stderr.write(f"error: {plain}\n")
        return plain.exit_code
    sys.stdout.write(msgspec.json.encode(found).decode())
    return 0


def _findings(run_dir: Path) -> dict[str, Any]:
    from ddp_mlp.report.findings.gathering import findings_unasked
    from ddp_mlp.report.findings.health import health_of
    from ddp_mlp.report.records.record import read_record

    record = read_record(run_dir)
    found = findings_unasked(record)
    features = health_of(record.schema, found.samples) if record.schema and found.samples else []
    importance = found.importance
    return {
        "features": [vars(one) for one in features[:_MOST_FEATURES]],
        "importance": [] if importance is None else _importance(importance),
        "reason": found.reason,
    }


def _importance(importance: Any) -> list[dict[str, Any]]:
    rises = importance.rise.mean(axis=1).tolist()
    found = [{"name": name, "rise": rise} for name, rise in zip(importance.names, rises, strict=True)]
    return sorted(found, key=lambda one: -one["rise"])[:_MOST_FEATURES]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
