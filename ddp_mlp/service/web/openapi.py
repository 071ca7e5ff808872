"""The description of the interface as an OpenAPI document, read off the structs that it takes and gives."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import msgspec

from ddp_mlp.service.orders.importing import ImportRequest
from ddp_mlp.service.orders.submission import Request
from ddp_mlp.service.running.epoch_rows import MOST_ROWS
from ddp_mlp.service.store.job import INTERNAL, STATES, Job
from ddp_mlp.service.store.store import SORTS
from ddp_mlp.service.web.bodies import Resume, Stop

_REF = "#/components/schemas/"
_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 1}}
_KEY = {"name": "Idempotency-Key", "in": "header", "schema": {"type": "string", "minLength": 1, "maxLength": 200}}
_TABLE = {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}, "required": ["file"]}
_ERRORS = {
    "4XX": {"description": "A mistake", "content": {"application/problem+json": {"schema": {"$ref": _REF + "Problem"}}}}
}
_PROBLEM = {
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "The line of the command line"},
        "exit_code": {"type": "integer", "description": "Of the command line"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"key": {"type": "string"}, "message": {"type": "string"}},
                "required": ["key", "message"],
            },
        },
    },
    "required": ["type", "title", "status", "detail", "exit_code", "errors"],
}


def document() -> dict[str, Any]:
    """Return the OpenAPI document."""
    kinds = (Request, Resume, Stop, ImportRequest, Job)
    _, schemas = msgspec.json.schema_components(kinds, ref_template=_REF + "{name}")
    for name in INTERNAL:
        schemas["Job"]["properties"].pop(name)
    schemas["Job"]["required"] = [name for name in schemas["Job"]["required"] if name not in INTERNAL]
    return {
        "openapi": "3.1.0",
        "info": {"title": "ddp-mlp", "version": version("ddp-mlp"), "description": "A queue of training jobs."},
        "security": [{"token": []}],
        "paths": {**_about(), **_jobs(), **_job(), **_data()},
        "components": {
            "schemas": {**schemas, "Problem": _PROBLEM},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _about() -> dict[str, Any]:
    event = {"name": "Last-Event-ID", "in": "header", "schema": {"type": "integer", "minimum": 0, "maximum": 10**15}}
    return {
        "/api/v1/session": {"get": _operation("Who is asked")},
        "/api/v1/config-schema": {"get": _operation("JSON Schema of a configuration")},
        "/api/v1/events": {"get": _operation("News of jobs", kind="text/event-stream", parameters=[event])},
    }


def _jobs() -> dict[str, Any]:
    sorts = [*SORTS, *(f"-{name}" for name in SORTS)]
    asked = [
        _query("state", {"type": "string", "enum": ["", *STATES]}, "Several with commas between them"),
        _query("search", {"type": "string", "maxLength": 200}, "A text in the name"),
        _query("sort", {"type": "string", "enum": sorts}, "- for the other way round"),
        _query("limit", {"type": "integer", "minimum": 0, "maximum": 1000}),
        _query("offset", {"type": "integer", "minimum": 0, "maximum": 2**53}),
    ]
    ids = _query("ids", {"type": "string", "pattern": "^[0-9]+(,[0-9]+){1,9}$"}, "2 to 10 jobs")
    return {
        "/api/v1/jobs": {
            "get": _operation("List jobs", parameters=asked),
            "post": _operation("Submit a job", status="201", gives="Job", takes="Request", parameters=[_KEY]),
        },
        "/api/v1/check": {"post": _operation("Check a request; nothing is made", takes="Request")},
        "/api/v1/compare": {"get": _operation("Compare jobs", parameters=[{**ids, "required": True}])},
    }


def _job() -> dict[str, Any]:
    job = "/api/v1/jobs/{id}"
    flag, number = {"type": "string", "enum": ["true", "false"]}, {"type": "integer", "minimum": 0, "maximum": 2**53}
    name = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
    formats = {"type": "string", "enum": ["onnx", "safetensors", "npz", "c", "sklearn"]}
    log = [_query("follow", {"type": "integer", "enum": [0, 1]}), _query("offset", number)]
    rows = [
        _query("limit", {"type": "integer", "minimum": 0, "maximum": MOST_ROWS}),
        _query("thin", flag, "Rows evenly spread over all epochs, instead of the first ones"),
    ]
    plain = {"kind": "text/plain"}
    answers = _operation("Answers of the model for a table", body=_form(_TABLE))
    files = _query("files", flag)
    return {
        job: {
            "get": _of("Show a job", gives="Job"),
            "delete": _of("Forget a job that is over", status="204", parameters=[files]),
        },
        f"{job}/stop": {"post": _of("Ask a job to stop, or end it at once", status="202", gives="Job", takes="Stop")},
        f"{job}/resume": {"post": _of("Let a job go on", status="202", gives="Job", takes="Resume")},
        f"{job}/log": {"get": _of("What a job has printed", parameters=log, **plain)},
        f"{job}/metrics": {"get": _of("Rows of epochs", parameters=[_query("since", number), *rows])},
        f"{job}/report": {"get": _of("The page about a run", kind="text/html")},
        f"{job}/files/{{name}}": {"get": _of("A file of a run", kind="*/*", parameters=[name])},
        f"{job}/export": {
            "get": _of("The model for other programs", kind="*/*", parameters=[_query("format", formats)])
        },
        f"{job}/health": {"get": _of("The health of the data")},
        f"{job}/ranks": {"get": _of("Seconds of each rank")},
        f"{job}/predict": {"post": {**answers, "parameters": [_ID]}},
    }


def _data() -> dict[str, Any]:
    options = {
        "type": "string",
        "contentMediaType": "application/json",
        "contentSchema": {"$ref": _REF + "ImportRequest"},
    }
    form = {**_TABLE, "properties": {**_TABLE["properties"], "options": options}}  # type: ignore[dict-item]
    return {
        "/api/v1/data": {
            "get": _operation("Files that can be trained on"),
            "post": _operation("Make a data set of a table", status="201", body=_form(form)),
        }
    }


def _of(summary: str, *, parameters: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    return _operation(summary, parameters=[_ID, *(parameters or [])], **more)


def _operation(
    summary: str,
    *,
    status: str = "200",
    kind: str = "application/json",
    gives: str = "",
    takes: str = "",
    body: dict[str, Any] | None = None,
    parameters: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    schema = {"$ref": _REF + gives} if gives else {}
    answer: dict[str, Any] = {"description": summary}
    if status != "204":
        answer["content"] = {kind: {"schema": schema}}
    taken = {"content": {"application/json": {"schema": {"$ref": _REF + takes}}}, "required": takes == "Request"}
    asked = {"requestBody": taken} if takes else {}
    return {
        "summary": summary, "parameters": parameters or [], **(({"requestBody": body}) if body else asked),
        "responses": {status: answer, **({"200": answer} if status == "201" else {}), **_ERRORS},
    }  # fmt: skip


def _form(schema: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {"multipart/form-data": {"schema": schema}}}


def _query(name: str, schema: dict[str, Any], description: str = "") -> dict[str, Any]:
    said = {"description": description} if description else {}
    return {"name": name, "in": "query", "schema": schema, **said}
