from __future__ import annotations

import uuid
from typing import Any

import pytest
from flask import Flask, url_for
from flask_sqlalchemy import SQLAlchemy
from werkzeug.routing import Map, Rule

from flask_stripe_credits import StripeCredits


class OwnRule(Rule):
    """A host's."""


def new_app() -> Flask:
    app = Flask("app")
    app.config |= {
        "SQLALCHEMY_DATABASE_URI": "sqlite://",
        "SECRET_KEY": "only for tests",
        "STRIPE_CREDITS_PAGES": "/credits",
    }
    return app


def our_rules(app: Flask) -> list[Rule]:
    found = [
        rule for rule in app.url_map.iter_rules() if rule.endpoint.startswith("stripe_credits")
    ]
    assert len(found) > 40
    return found


def test_what_builds_an_address_is_compiled_when_it_is_first_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app, compiled = new_app(), []
    original = Rule._compile_builder

    def compile_builder(rule: Rule, append_unknown: bool = True) -> Any:
        compiled.append(rule.endpoint)
        return original(rule, append_unknown)

    monkeypatch.setattr(Rule, "_compile_builder", compile_builder)
    StripeCredits(app, SQLAlchemy(app))
    assert compiled == []
    with app.test_request_context():
        for _ in range(2):
            assert url_for("stripe_credits_pages.history") == "/credits/history"
    assert compiled == ["stripe_credits_pages.history"]
    app.add_url_rule("/own", "own", lambda: "the host's own")
    assert compiled == ["stripe_credits_pages.history", "own", "own"]


@pytest.mark.parametrize("unknown", [{}, {"cursor": "a b", "self": "1", "rule": "2"}])
def test_addresses_are_those_of_any_other_rule(unknown: dict[str, str]) -> None:
    app = new_app()
    StripeCredits(app, SQLAlchemy(app))
    usual = Map([Rule(rule.rule, endpoint=rule.endpoint) for rule in our_rules(app)])
    built = usual.bind("localhost")
    with app.test_request_context():
        for rule in our_rules(app):
            values = {name: uuid.UUID(int=7) for name in rule.arguments} | unknown
            expected = built.build(rule.endpoint, values)
            assert url_for(rule.endpoint, **values) == expected


def test_a_host_has_a_rule_class_of_its_own() -> None:
    app = new_app()
    app.url_rule_class = OwnRule
    StripeCredits(app, SQLAlchemy(app))
    assert all(isinstance(rule, OwnRule) for rule in our_rules(app))
    assert app.url_rule_class is OwnRule
