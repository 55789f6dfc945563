"""Every fault of the catalogue has a test or says what it waits for, and the page shows it."""

from __future__ import annotations

import pytest

from tests import catalogue


def test_the_page_is_what_make_catalogue_writes() -> None:
    shown = catalogue.PAGE.read_text(encoding="utf-8")
    assert shown == catalogue.page(), "the table of faults is out of date: run `make catalogue`"


def test_every_fault_has_a_test_or_is_open_and_not_both() -> None:
    known, covered = catalogue.read_catalogue(), catalogue.coverage()
    missing = [id_ for id_ in known.ids if id_ not in covered and id_ not in known.open]
    assert missing == [], f"neither a test nor a line under [open] in catalogue.toml: {missing}"
    done = [id_ for id_ in known.open if id_ in covered]
    assert done == [], f"tested by now, take them out of [open] in catalogue.toml: {done}"


def test_only_faults_of_the_catalogue_are_named() -> None:
    known = catalogue.read_catalogue()
    assert set(known.open) <= set(known.ids)
    assert len(set(known.ids)) == len(known.ids)
    for where, name in catalogue.test_names():
        unknown = set(catalogue.covered_ids(name)) - set(known.ids)
        assert not unknown, f"{where}: {name} names {sorted(unknown)}, not in catalogue.toml"
        misplaced = catalogue.misplaced_ids(name)
        assert misplaced == [], f"{where}: {name}: ids stand at the front: test_{misplaced[0]}_…"


@pytest.mark.parametrize(
    ("name", "covered", "misplaced"),
    [
        ("test_E05_a_header", ["E05"], []),
        ("test_A05_A06_any_order", ["A05", "A06"], []),
        ("test_I9_prices", ["I9"], []),
        ("test_B07", ["B07"], []),
        ("test_any_order_A05", [], ["A05"]),
        ("test_A05_any_order_of_A06_too", ["A05"], ["A06"]),
        ("test_of_UTF8_and_PG15_and_F2F", [], []),
    ],
)
def test_ids_are_read_from_names(name: str, covered: list[str], misplaced: list[str]) -> None:
    assert catalogue.covered_ids(name) == covered
    assert catalogue.misplaced_ids(name) == misplaced
