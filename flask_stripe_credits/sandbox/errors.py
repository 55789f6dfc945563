"""Stripe's error objects, with Stripe's types, codes and HTTP statuses."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """An answer other than success.

    :ivar status: HTTP status.
    :ivar details: what stands in the error object: ``type, message, code, param, …``.
    """

    def __init__(self, status: int, type: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.status = status
        given = {key: value for key, value in details.items() if value is not None}
        self.details: dict[str, Any] = {"message": message, "type": type, **given}
        if "code" in given:
            page = given["code"].replace("_", "-")
            self.details["doc_url"] = f"https://docs.stripe.com/error-codes#{page}"

    @property
    def message(self) -> str:
        return str(self.details["message"])

    @property
    def body(self) -> dict[str, Any]:
        return {"error": self.details}


def invalid(
    message: str, *, param: str | None = None, code: str | None = None, status: int = 400
) -> ApiError:
    """Return the error for a request that Stripe can't take as it is."""
    return ApiError(status, "invalid_request_error", message, code=code, param=param)


def missing(param: str) -> ApiError:
    return invalid(f"Missing required param: {param}.", param=param, code="parameter_missing")


def unknown(params: list[str]) -> ApiError:
    plural = "s" if len(params) > 1 else ""
    return invalid(
        f"Received unknown parameter{plural}: {', '.join(params)}",
        param=params[0],
        code="parameter_unknown",
    )


def no_such(kind: str, id: str, *, param: str = "id", status: int = 404) -> ApiError:
    """Return ``resource_missing``: 404 for an object in the path, 400 for one in a parameter."""
    return invalid(f"No such {kind}: '{id}'", param=param, code="resource_missing", status=status)


def other_mode(kind: str, id: str, *, param: str = "id", status: int = 404) -> ApiError:
    """Return the error for a live object: every key here is a test key."""
    return invalid(
        f"No such {kind}: '{id}'; a similar object exists in live mode, but a test mode key was "
        "used to make this request.",
        param=param,
        code="resource_missing",
        status=status,
    )


def card_error(
    message: str, *, code: str, param: str | None = None, decline_code: str | None = None
) -> ApiError:
    return ApiError(402, "card_error", message, code=code, param=param, decline_code=decline_code)
