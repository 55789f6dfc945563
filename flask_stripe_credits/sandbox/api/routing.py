"""A table of API calls: method, path, parameters, and the function that does the work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ..idempotency import Answer
from ..params import Fields, Spec, form
from ..store import Json
from ..world import World


@dataclass(frozen=True, slots=True)
class Call:
    """A request whose parameters were checked.

    :ivar version: the API version that it asks for.
    :ivar id: the object in the path, empty when there is none.
    """

    world: World
    version: str
    params: Json
    id: str = ""


Handler = Callable[[Call], "Json | Answer"]
# Some parameters depend on the version of the API that the caller speaks.
VersionedFields = Callable[[str], Fields]


@dataclass(frozen=True, slots=True)
class Route:
    """
    :ivar path: with ``<id>`` where the object's id stands.
    """

    method: str
    path: str
    fields: VersionedFields
    handler: Handler


@dataclass(frozen=True, slots=True)
class Routes:
    """The calls of one resource."""

    table: list[Route] = field(default_factory=list)

    def get(
        self, path: str, known: Mapping[str, Spec] | None = None
    ) -> Callable[[Handler], Handler]:
        """Register a call that changes nothing."""
        return self._add("GET", path, form(known))

    def post(
        self, path: str, known: Mapping[str, Spec] | None = None, *required: str
    ) -> Callable[[Handler], Handler]:
        """Register a call that changes something."""
        return self._add("POST", path, form(known, *required))

    def post_versioned(self, path: str, fields: VersionedFields) -> Callable[[Handler], Handler]:
        """Register a call whose parameters depend on the API version."""

        def register(handler: Handler) -> Handler:
            self.table.append(Route("POST", path, fields, handler))
            return handler

        return register

    def delete(self, path: str) -> Callable[[Handler], Handler]:
        """Register a call that removes an object."""
        return self._add("DELETE", path, form())

    def _add(self, method: str, path: str, fields: Fields) -> Callable[[Handler], Handler]:
        def register(handler: Handler) -> Handler:
            self.table.append(Route(method, path, lambda version: fields, handler))
            return handler

        return register
