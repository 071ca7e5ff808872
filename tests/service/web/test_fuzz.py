"""Requests that nobody would send, made of the description of the interface: none is an error of this program."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ddp_mlp.service.running.claims import Claim
from ddp_mlp.service.running.standing import Phase as Stage
from ddp_mlp.service.running.standing import Standing
from ddp_mlp.service.web.openapi import document
from tests.service.served import CONFIG, URL, Served, served

#: Operations that start a command for each request, or never end.
SLOW = {"/api/v1/data", "/api/v1/jobs/{id}/predict", "/api/v1/check"}
ENDLESS = {"/api/v1/events"}
#: Pieces of which paths, configurations and headers of strangers are made.
NASTY = [
    "..",
    "\0",
    "%00",
    "/etc/passwd",
    "'",
    '"',
    "<script>",
    "\r\n",
    "9" * 40,
    "-1",
    "1e999",
    "\U0001f600",
    "a" * 3000,
    "none",
    "{}",
]


@pytest.fixture
def service(tmp_path: Path):
    with served(tmp_path, most_upload_bytes=2**16) as one:
        job = one.submit()
        one.until(job["id"], "running")
        one.starter.standings[job["id"]] = Standing(Stage.ENDED, Claim(1, 1, "", ""), 0)
        one.until(job["id"], "finished")
        yield one


def fuzz(service: Served, n: int, slow: int) -> Counter[int]:
    """Send requests to each operation and return how often each status was the answer."""
    found: Counter[int] = Counter()
    schema = schemathesis.openapi.from_dict(document())
    for operation in (result.ok() for result in schema.get_all_operations()):
        if operation.path not in ENDLESS:
            _ask(service, operation, slow if operation.path in SLOW else n, found)
    return found


def _ask(service: Served, operation: Any, n: int, found: Counter[int]) -> None:
    @settings(
        max_examples=n, deadline=None, database=None, phases=[Phase.generate], derandomize=True,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(operation.as_strategy())
    def ask(case: Any) -> None:
        sent = case.as_transport_kwargs(base_url=URL)
        sent.pop("cookies", None)
        headers = {k: v for k, v in dict(sent.pop("headers", None) or {}).items() if k.lower() != "authorization"}
        if sent.get("files"):
            sent["files"] = [(name, _as_bytes(part)) for name, part in sent["files"]]
        if "log" in operation.path and sent.get("params"):
            sent["params"] = {k: v for k, v in sent["params"].items() if k != "follow"}
        answer = service.client.request(**sent, headers={**headers})
        assert answer.status_code < 500, (answer.request.method, str(answer.request.url)[:300], answer.text[:300])
        assert answer.headers["content-security-policy"]
        found[answer.status_code] += 1

    ask()


def _as_bytes(part: Any) -> Any:
    """Return a part of a form as something that can be sent: generated ones may be numbers, or nothing."""
    *names, content = part if isinstance(part, tuple) else (part,)
    sent = content if isinstance(content, bytes) else str(content).encode(errors="replace")
    return (*names, sent) if names else sent


def test_no_request_of_the_description_is_an_error_of_this_program(service: Served):
    found = fuzz(service, 20, 2)
    assert found.total() > 300
    assert found[200]
    assert found[422]


@pytest.mark.thorough
@pytest.mark.timeout(1800)
def test_ten_thousand_requests(service: Served):
    found = fuzz(service, 650, 30)
    print(found)  # noqa: T201
    assert found.total() >= 10_000


def test_nasty_values_in_every_place(service: Served):
    for word in NASTY:
        for path in ("/api/v1/jobs/{}", "/api/v1/jobs/1/files/{}", "/static/{}", "/api/v1/{}", "/{}"):
            address = path.format(word).replace("%", "%25").replace("\0", "%00").replace("\r\n", "%0d%0a")
            assert service.client.get(address).status_code < 500
        for name in ("limit", "offset", "sort", "state", "search", "ids"):
            assert service.client.get("/api/v1/jobs", params={name: word}).status_code < 500
        for body in ({"config": word}, {"config": CONFIG, "name": word}, {"config": CONFIG, "overrides": {word: word}},
                     {"config": CONFIG, "overrides": {"data.train": word}}, {"config": CONFIG, "arguments": [word]},
                     {"config": f"[data]\ntrain = {word}"}, {"config": CONFIG, "kind": word}):  # fmt: skip
            assert service.client.post("/api/v1/jobs", json=body).status_code in (201, 422)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.text(max_size=300))
def test_any_text_is_a_configuration_or_told_to_be_none(text: str):
    from ddp_mlp.service.orders.configuration import RefusedError, check_config
    from ddp_mlp.service.settings import Settings

    with pytest.raises(RefusedError):
        check_config(text, {}, Settings(Path("/nowhere")))
