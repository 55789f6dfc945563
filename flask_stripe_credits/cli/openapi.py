"""``flask credits openapi``: the API's description, for generators of clients and for linters."""

from __future__ import annotations

import json
from pathlib import Path

import click
from flask.cli import with_appcontext

from ..state import current_state
from ..web.openapi import openapi_document


@click.command("openapi")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write it to this file instead of printing it.",
)
@with_appcontext
def openapi_command(output: Path | None) -> None:
    """Print the API's description: OpenAPI 3.1, as JSON.

    The same that GET /openapi.json answers. Needs neither the database nor a key. Safe to repeat.
    """
    document = openapi_document(current_state().settings.url_prefix)
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"can't write {output}: {error.strerror}") from error
    click.echo(f"wrote {output}")
