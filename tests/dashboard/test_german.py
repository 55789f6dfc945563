"""The dashboard for a reader of German, where the host has Flask-Babel."""

from __future__ import annotations

from collections.abc import Callable

import flask_babel

from ..hosts import Host
from .conftest import DASHBOARD, make_dashboard_host


def test_figures_and_dates_are_written_as_the_reader_writes_them(
    new_database: Callable[[str], str],
) -> None:
    def init(host: Host) -> None:
        # Far from UTC, in which days are counted: the first of the month must stay that.
        flask_babel.Babel(
            host.app,
            locale_selector=lambda: "de",
            timezone_selector=lambda: "America/Los_Angeles",
        )

    host = make_dashboard_host(new_database("sqlite"), before_init=init)
    arguments = ["credits", "demo-data", "--purchases", "200", "--until", "2026-10-31"]
    assert host.app.test_cli_runner().invoke(args=arguments).exit_code == 0
    page = host.client.get(f"{DASHBOARD}?from=2026-03-01&to=2026-03-31").text
    for expected in (
        '<html lang="de">',
        "01.03.2026 \N{EN DASH} 31.03.2026",
        "Umsatz in USD",
        "Tag für Tag",
        ">1. März<",
        "\N{NO-BREAK SPACE}$",
    ):
        assert expected in page, expected
    assert "Revenue" not in page
    refunded = host.purchases(status="refunded")[0]
    story = host.client.get(f"{DASHBOARD}/purchases/{refunded['id']}").text
    for expected in ("möchte", "durch die Bezahlseite gegangen und bezahlt: "):
        assert expected in story, expected
    for english in ("wants", "told the credit manager", " and paid", "not delivered"):
        assert english not in story, english
    for address in ("?range=12m", "/purchases", f"/purchases/{refunded['id']}", "/reviews"):
        assert host.client.get(DASHBOARD + address).status_code == 200, address
