"""Stripe's library and the app's webhook, called by each other without a socket."""

from __future__ import annotations

import contextvars
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import stripe
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import Client, TestResponse

from ..sandbox.transport import LONGEST_BODY, WebhookAnswer, WebhookRequest

# Such names can only be this machine, and nothing is ever looked up.
API_BASE = "https://stripe.localhost"


class InProcessClient(stripe.HTTPClient):
    """What carries the library's requests: to the sandbox's app, in the caller's thread."""

    name = "flask-stripe-credits"

    def __init__(self, app: Flask) -> None:
        super().__init__()
        self._client = Client(app, use_cookies=False)

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        **_: Any,
    ) -> tuple[str, int, Mapping[str, str]]:
        parts = urlsplit(url)
        try:
            # As if in another process: the app's own context is nothing to the sandbox.
            answer = contextvars.Context().run(
                self._client.open,
                path=parts.path,
                query_string=parts.query,
                base_url=API_BASE,
                method=method.upper(),
                headers=dict(headers or {}),
                data=post_data,
            )
        except ConnectionError as error:
            broken: Any = stripe.APIConnectionError
            raise broken(str(error), should_retry=True) from error
        # Like the library's own clients': names in any case.
        answer_headers: Any = answer.headers
        return answer.get_data(as_text=True), answer.status_code, answer_headers

    def close(self) -> None:
        """Nothing is open."""

    def _sleep_time_seconds(self, num_retries: int) -> float:
        return 0.0


class InProcessTransport:
    """What carries webhooks: to the app's WSGI application, in the caller's thread."""

    def __init__(self, app: Flask) -> None:
        self._app = app

    def send(self, request: WebhookRequest, timeout_seconds: float) -> WebhookAnswer:
        answer = self.post(urlsplit(request.url).path, request.headers, request.body)
        return WebhookAnswer(answer.status_code, answer.get_data(as_text=True)[:LONGEST_BODY])

    def post(self, path: str, headers: Mapping[str, str], body: bytes) -> TestResponse:
        """Deliver one body as the app's own test client would."""
        client = FlaskClient(self._app, self._app.response_class, use_cookies=False)
        sent = {name: value for name, value in headers.items() if name != "Connection"}
        return client.post(path, data=body, headers=sent)

    def abort(self) -> None:
        """Nothing is under way but in callers' own threads."""
