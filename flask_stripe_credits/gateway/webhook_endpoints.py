"""Webhook endpoints at Stripe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import GatewayRejected
from ..stripe_objects import WebhookEndpoint
from .connection import Connection


class WebhookEndpoints(Connection):
    """The part of the gateway that is about webhook endpoints."""

    def list_webhook_endpoints(self) -> list[WebhookEndpoint]:
        """Return all endpoints of the account in the key's mode, however many, newest first.

        :raises GatewayUnavailable, GatewayRejected, GatewayKeyRefused, NotConfigured: this and
            all methods about endpoints, as :meth:`create_checkout_session`.
        """
        found: list[WebhookEndpoint] = []
        after: str | None = None
        while True:
            page = self._page(WebhookEndpoint, "/v1/webhook_endpoints", {}, after)
            found += page.items
            after = page.after
            if after is None:
                return found

    def create_webhook_endpoint(
        self, params: Mapping[str, Any], *, idempotency_key: str
    ) -> WebhookEndpoint:
        """Make an endpoint; no other answer of Stripe's tells its signing secret.

        Safe to repeat with the same key and parameters.
        """
        client = self._client()
        return self._made(
            WebhookEndpoint,
            lambda: client.v1.webhook_endpoints.create(
                dict(params),  # type: ignore[arg-type]
                {"idempotency_key": idempotency_key},
            ),
        )

    def update_webhook_endpoint(
        self, endpoint_id: str, params: Mapping[str, Any]
    ) -> WebhookEndpoint:
        """Change an endpoint; its API version and its secret can't be. Safe to repeat."""
        client = self._client()
        return self._made(
            WebhookEndpoint,
            lambda: client.v1.webhook_endpoints.update(
                endpoint_id,
                dict(params),  # type: ignore[arg-type]
            ),
        )

    def delete_webhook_endpoint(self, endpoint_id: str) -> bool:
        """Delete an endpoint; return whether it was there. Safe to repeat."""
        client = self._client()
        try:
            answer = self._call(lambda: client.v1.webhook_endpoints.delete(endpoint_id).to_dict())
        except GatewayRejected as error:
            if error.code == "resource_missing":
                return False
            raise
        if answer.get("deleted") is not True:
            raise GatewayRejected("Stripe's answer doesn't say that the endpoint was deleted")
        return True
