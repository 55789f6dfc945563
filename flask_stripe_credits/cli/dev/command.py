"""``flask credits dev``"""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click
from flask import current_app
from flask.cli import with_appcontext

from ...config import WEBHOOK_SECRET, Settings
from ...credentials import Secret
from ...errors import StripeCreditsError
from ...state import current_state
from ...webhooks.handlers import HANDLERS
from ...webhooks.probe import probe
from ..sandbox import delivering, listening_sandbox, refuse_live_keys
from ..setup import SOMETHING_LEFT
from ..stopping import told_to_stop
from .app_process import HOST, AppProcess, require_free
from .surroundings import surroundings

if TYPE_CHECKING:
    from ...sandbox import Sandbox

_STATE = "stripe-sandbox.db"


@click.command("dev", context_settings={"ignore_unknown_options": True})
@click.option(
    "--port",
    default=5000,
    show_default=True,
    type=click.IntRange(1, 65535),
    envvar="FLASK_RUN_PORT",
)
@click.option("--sandbox-port", default=5001, show_default=True, type=click.IntRange(1, 65535))
@click.option(
    "--state",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"The sandbox's file; default: {_STATE} in the app's instance folder.",
)
@click.option(
    "--packages",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False),
    help="Load the packages of this file (TOML). Without it an empty catalogue gets the default.",
)
@click.argument("run_options", nargs=-1, type=click.UNPROCESSED)
@with_appcontext
def dev_command(
    port: int,
    sandbox_port: int,
    state: Path | None,
    packages: str | None,
    run_options: tuple[str, ...],
) -> None:
    """Run the app beside a sandbox, set up and ready to buy: no account, no keys.

    Starts the sandbox that stands in for Stripe, makes keys up, does with them what `flask
    credits setup` does, and runs the app as `flask run` does. RUN_OPTIONS go to that: --debug
    reloads the app when its code changes. It refuses to start beside a live key, or where the
    database has live purchases. Ctrl-C stops both; what was bought is kept.
    """
    try:
        settings = current_state().settings
    except StripeCreditsError as error:
        raise click.ClickException(str(error)) from None
    refuse_live_keys()
    if port == sandbox_port:
        raise click.UsageError("--port and --sandbox-port must differ")
    require_free(port, "--port")
    require_free(sandbox_port, "--sandbox-port")
    with ExitStack() as stack:
        stopped = stack.enter_context(told_to_stop())
        sandbox = stack.enter_context(listening_sandbox(HOST, sandbox_port, state or _state_file()))
        environment = surroundings(port, sandbox.url)
        webhook = f"http://{HOST}:{port}{settings.url_prefix}/webhook"
        _deliver_only_to(sandbox, webhook, environment[WEBHOOK_SECRET])
        if _set_up(environment, packages, stopped):
            run = ["run", "--host", HOST, "--port", str(port), *run_options]
            app = stack.enter_context(AppProcess(run, environment))
            if app.wait_until_it_listens(port, stopped):
                click.echo(_welcome(settings, port, sandbox))
                _try_webhook(webhook, environment[WEBHOOK_SECRET])
                stack.enter_context(delivering(sandbox))
            code = app.wait(stopped)
            if code is not None:
                raise click.ClickException(f"the app ended with status {code}: see above")
    click.echo("Stopped.")


def _state_file() -> Path:
    folder = Path(current_app.instance_path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise click.ClickException(
            f"the instance folder {folder} can't be made ({error.strerror}): say --state"
        ) from None
    return folder / _STATE


def _deliver_only_to(sandbox: Sandbox, webhook: str, secret: str) -> None:
    """Send events to the app as it runs now, and no longer to where it was on another port."""
    path = urlsplit(webhook).path
    for endpoint in sandbox.objects("webhook_endpoint"):
        if endpoint["url"] != webhook and urlsplit(endpoint["url"]).path == path:
            sandbox.store.remove(endpoint["id"])
    sandbox.register_webhook(webhook, secret=secret, enabled_events=sorted(HANDLERS))


def _set_up(environment: dict[str, str], packages: str | None, stopped: threading.Event) -> bool:
    """Return whether the app can be started; False when we were told to stop.

    :raises click.ClickException: a step was refused, as was said.
    """
    arguments = ["credits", "setup", "--made-up-keys"]
    if packages is not None:
        arguments += ["--packages", packages]
    with AppProcess(arguments, environment) as process:
        code = process.wait(stopped)
    if code not in (None, 0, SOMETHING_LEFT):
        raise click.ClickException("the app isn't started: see above")
    return code is not None


def _try_webhook(webhook: str, secret: str) -> None:
    """Say now what would keep paid credits from coming."""
    answer = probe(webhook, Secret(secret), livemode=False)
    if not answer.accepted:
        click.echo(f"The app's webhook doesn't work: {answer.meaning}", err=True)


def _welcome(settings: Settings, port: int, sandbox: Sandbox) -> str:
    app = f"http://{HOST}:{port}"
    shop = (
        f"{app}{settings.pages}"
        if settings.pages
        else 'none: STRIPE_CREDITS_PAGES = "/credits" adds one'
    )
    return f"""
  App      {app}
  Shop     {shop}
  Sandbox  {sandbox.url}/dashboard   stands in for Stripe: refund, dispute, resend
  Card     4242 4242 4242 4242, any date in the future, any CVC; no real money
  Keys     made up, and known to the app alone: commands in another terminal lack them

  Ctrl-C stops all. What was bought is kept.
"""
