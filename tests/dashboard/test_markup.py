"""Every page of the dashboard is valid HTML, as html-validate sees it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..markup import NEEDS_NODE, assert_valid_html
from .conftest import DASHBOARD, make_dashboard_host
from .states import add_a_year, paths

pytestmark = NEEDS_NODE


def test_every_page_is_valid_html(new_database: Callable[[str], str], tmp_path: Path) -> None:
    host = make_dashboard_host(new_database("sqlite"))
    add_a_year(host)
    pages = {name: host.client.get(DASHBOARD + path).text for name, path in paths(host).items()}
    assert len(pages) == 19
    assert_valid_html(pages, tmp_path)
