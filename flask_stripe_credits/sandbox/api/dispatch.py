"""From an HTTP request to the function in the table, and back."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask, Response, jsonify, request

from .. import api_version, faults, idempotency
from ..errors import ApiError, invalid
from ..faults import Fault, Faults
from ..forms import decode
from ..idempotency import Answer
from ..ids import new_id
from ..world import Cause, World
from . import (
    balance,
    checkout,
    customers,
    disputes,
    events,
    expand,
    payment_intents,
    payment_pages,
    payments,
    prices,
    products,
    refunds,
    webhook_endpoints,
)
from .auth import check_key
from .routing import Call, Route

RESOURCES = (
    balance,
    checkout,
    customers,
    disputes,
    events,
    payment_intents,
    payment_pages,
    payments,
    prices,
    products,
    refunds,
    webhook_endpoints,
)
_REQUEST_ID = "Request-Id"

# Makes the world as one request sees it.
WorldFor = Callable[[Cause], World]


def install(app: Flask, world_for: WorldFor, spoiled: Faults) -> None:
    """Put every call of the tables under ``/v1`` of the app."""
    for resource in RESOURCES:
        for route in resource.routes.table:
            app.add_url_rule(
                route.path,
                endpoint=f"{route.method} {route.path}",
                view_func=_view(route, world_for, spoiled),
                methods=[route.method],
                provide_automatic_options=False,
            )


def _view(route: Route, world_for: WorldFor, spoiled: Faults) -> Callable[..., Response]:
    def view(id: str = "") -> Response:
        request_id = new_id("req_")
        version = request.headers.get("Stripe-Version") or api_version.newest()
        try:
            answer = _answer(route, id, request_id, version, world_for, spoiled)
        except ApiError as error:
            answer = Answer(error.body, error.status)
        return _respond(answer, request_id, version)

    return view


def _answer(
    route: Route,
    id: str,
    request_id: str,
    version: str,
    world_for: WorldFor,
    spoiled: Faults,
) -> Answer:
    check_key(request)
    if not api_version.is_version(version):
        raise invalid(f"Invalid Stripe API version: {version[:40]}")
    fault = faults.of(request.environ)
    if fault is not None and fault.error is not None and fault.error.status < 500:
        raise fault.error
    key = request.headers.get("Idempotency-Key") if route.method == "POST" else None
    world = world_for(Cause(request_id, key))
    encoded = request.get_data() if route.method == "POST" else request.query_string
    if key is not None:
        replayed = idempotency.begin(world, key, request.path, encoded)
        if replayed is not None:
            return replayed
    try:
        # Who names no version gets the account's, which is an older one.
        older = version if "Stripe-Version" in request.headers else api_version.OF_ACCOUNT
        params = route.fields(older).read(decode(encoded))
        call = Call(world, version, params, id)
    except ApiError:
        # Stripe keeps no answer of a request that it didn't begin to work on.
        if key is not None:
            idempotency.forget(world, key)
        raise
    spoiled.hang(fault, after_work=False)
    answer = _work(route, call, key, request_id, fault)
    spoiled.hang(fault, after_work=True)
    return answer


def _work(
    route: Route, call: Call, key: str | None, request_id: str, fault: Fault | None
) -> Answer:
    store = call.world.store
    error = fault.error if fault is not None else None
    try:
        with store.transaction():
            if error is not None and fault is not None and not fault.after_work:
                raise error
            result = route.handler(call)
            if isinstance(result, Answer):
                answer = Answer(result.body, result.status, request_id)
            else:
                paths = call.params.get("expand", [])
                answer = Answer(expand.expanded(call.world, result, paths), 200, request_id)
            if error is not None:
                answer = Answer(error.body, error.status, request_id)
            if key is not None:
                idempotency.finish(call.world, key, answer)
    except ApiError as refusal:
        answer = Answer(refusal.body, refusal.status, request_id)
        if key is not None:
            with store.transaction():
                idempotency.finish(call.world, key, answer)
    except BaseException:
        if key is not None:
            idempotency.forget(call.world, key)
        raise
    return answer


def _respond(answer: Answer, request_id: str, version: str) -> Response:
    response = jsonify(answer.body)
    response.status_code = answer.status
    response.headers[_REQUEST_ID] = request_id
    response.headers["Stripe-Version"] = version
    if key := request.headers.get("Idempotency-Key"):
        response.headers["Idempotency-Key"] = key
    if answer.request_id is not None and answer.request_id != request_id:
        response.headers["Idempotent-Replayed"] = "true"
        response.headers["Original-Request"] = answer.request_id
    return response


def error_response(error: ApiError) -> Response:
    """Answer a request that never reached a call of the tables."""
    return _respond(Answer(error.body, error.status), new_id("req_"), api_version.newest())


def unrecognized(method: str, path: str) -> ApiError:
    """Return the error for a call that Stripe, or at least the sandbox, doesn't have."""
    return invalid(
        f"Unrecognized request URL ({method}: {path}). The sandbox imitates only a part of "
        "Stripe's API.",
        status=404,
    )
