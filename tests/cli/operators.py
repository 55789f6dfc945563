"""Somebody who runs ``flask credits webhook`` for an address of their own at the sandbox."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from click.testing import Result

from flask_stripe_credits.sandbox import Sandbox
from flask_stripe_credits.stripe_objects import WebhookEndpoint
from flask_stripe_credits.webhook_endpoints import ours

from ..hosts import Host

NAME = "STRIPE_WEBHOOK_SECRET_CREDITS"


@dataclass
class Operator:
    """Runs ``flask credits webhook …`` for one address that no other test uses."""

    stripe: Sandbox
    host: Host
    url: str
    file: Path

    def run(self, command: str, *options: str, url: str | None = None) -> Result:
        args = ["credits", "webhook", command, "--url", url or self.url, *options]
        return self.host.app.test_cli_runner().invoke(args=args)

    def written(self, command: str, *options: str) -> Result:
        """Run a command that writes into the file; nothing may be on stdout."""
        result = self.run(command, "--write-env", str(self.file), *options)
        assert result.stdout == ""
        return result

    @property
    def endpoints(self) -> list[WebhookEndpoint]:
        """Those at Stripe with the address, newest first."""
        return ours(self.host.state.gateway.list_webhook_endpoints(), self.url)

    @property
    def secrets(self) -> list[str]:
        """What the file holds."""
        values = [line.partition("=") for line in self.file.read_text().splitlines()]
        return [v for name, _, value in values if name == NAME for v in value.split(",")]

    def acts(self) -> list[str]:
        """What the audit log holds of this address, oldest first."""
        rows = self.host.rows(self.host.credits.AuditLog)
        mine = [row for row in rows if (row["details"] or {}).get("url") == self.url]
        return [row["action"].removeprefix("webhook_endpoint.") for row in mine]

    def secret_of(self, endpoint: WebhookEndpoint) -> str:
        return str(self.stripe.store.hidden(endpoint.id)["secrets"][0])
