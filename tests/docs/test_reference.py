"""The reference pages name what the code has, and nothing else."""

from __future__ import annotations

import inspect
import re
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from enum import StrEnum
from typing import Any, get_type_hints

import click
import pytest
import sqlalchemy as sa
from blinker import NamedSignal
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.dialects import postgresql

from flask_stripe_credits import (
    GrantSnapshot,
    PurchaseSnapshot,
    StripeCredits,
    errors,
    mail,
    signals,
    testing,
)
from flask_stripe_credits.catalog.changes import Kind
from flask_stripe_credits.catalog.rules import FIELDS
from flask_stripe_credits.config import Settings, read_settings
from flask_stripe_credits.doctor import CHECKS
from flask_stripe_credits.facts import Verdict
from flask_stripe_credits.models import build_models
from flask_stripe_credits.sandbox import Chaos
from flask_stripe_credits.testing import fixtures as testing_fixtures
from flask_stripe_credits.web import administrators, problems, protection, schemas
from flask_stripe_credits.web.admin import schemas as admin_schemas
from flask_stripe_credits.web.figures_schema import FiguresSchema
from flask_stripe_credits.webhooks.handlers import HANDLERS

from .pages import ROOT, codes, read, sections, tables

PREFIX = "/api/v1/billing/credits"
_POSTGRESQL: Any = postgresql.dialect()  # type: ignore[no-untyped-call]


@pytest.fixture(scope="module")
def documented_app() -> Flask:
    app = Flask("documented")
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
    db = SQLAlchemy(app)
    StripeCredits(app, db)
    return app


class Asked(dict[str, Any]):
    """A configuration that remembers what was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.names.add(key)
        return default


def settings_on_the_page() -> dict[str, dict[str, str]]:
    found = {}
    for name, text in sections("reference/configuration.md").items():
        if re.fullmatch(r"STRIPE_[A-Z_]+", name):
            heading, values = next(tables(text))
            found[name] = dict(zip(heading, values, strict=True))
    return found


def test_every_setting_that_is_read_is_documented_and_no_other() -> None:
    asked = Asked()
    read_settings({}, environ=asked)
    read = {name for name in asked.names if not name.endswith("_FILE")}
    assert len(read) > 15
    assert set(settings_on_the_page()) == read
    # Only secrets have a file, as the page says once for Stripe's, and of the other one.
    files = {name.removesuffix("_FILE") for name in asked.names if name.endswith("_FILE")}
    stripes = {name for name in read if not name.startswith("STRIPE_CREDITS_")}
    assert files == stripes | {"STRIPE_CREDITS_METRICS_TOKEN"}


def test_documented_examples_are_accepted_and_documented_defaults_are_the_defaults() -> None:
    nothing = vars(read_settings({}, environ={}))
    tried = 0
    for name, row in settings_on_the_page().items():
        example, default = row["example"].strip("`"), row["default"]
        if "…" not in example:
            read_settings({name: example}, environ={})
            tried += 1
        if default.startswith("`"):
            settings = read_settings({name: default.strip("`")}, environ={})
            assert vars(settings) == nothing, name
    assert tried > 10


def documented_limits(text: str) -> tuple[int, int]:
    low, high = re.findall(r"(\d[\d,]*) to (\d[\d,]*)", text)[0]
    return int(low.replace(",", "")), int(high.replace(",", ""))


def test_documented_limits_of_numbers_are_the_limits() -> None:
    checked = 0
    for name, row in settings_on_the_page().items():
        if not row["type"].startswith("whole number"):
            continue
        low, high = documented_limits(row["type"])
        for accepted in (low, high):
            read_settings({name: accepted}, environ={})
        for refused in (low - 1, high + 1):
            with pytest.raises(errors.ConfigurationError, match=name):
                read_settings({name: refused}, environ={})
        checked += 1
    assert checked == 4


def test_every_choice_of_a_setting_is_documented() -> None:
    chosen = {
        name: kind
        for name, kind in get_type_hints(Settings).items()
        if inspect.isclass(kind) and issubclass(kind, StrEnum)
    }
    page = settings_on_the_page()
    assert set(chosen) == {"delivery", "log_format"}
    for name, kind in chosen.items():
        assert codes(page[f"STRIPE_CREDITS_{name.upper()}"]["type"]) == list(kind)


def commands(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[str, click.Command]]:
    yield " ".join(path), command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from commands(below, (*path, name))


def test_every_command_and_option_is_documented(documented_app: Flask) -> None:
    on_the_page = {
        re.sub(r" \[?[A-Z_]+\]?$", "", heading): (heading, text)
        for heading, text in sections("reference/cli.md").items()
    }
    group = documented_app.cli.commands["credits"]
    found = dict(commands(group, ("flask", "credits")))
    assert set(on_the_page) - {"Command line"} == set(found) - {"flask credits"}
    for path, command in found.items():
        if path == "flask credits":
            continue
        heading, text = on_the_page[path]
        for parameter in command.params:
            if isinstance(parameter, click.Argument):
                name = str(parameter.name).upper()
                assert heading.endswith(f" {name}" if parameter.required else f" [{name}]")
                default = parameter.default
            else:
                options = [*parameter.opts, *parameter.secondary_opts]
                assert set(options) <= set(codes(text)), (path, options)
                default = parameter.default if not getattr(parameter, "is_flag", False) else None
            if isinstance(parameter.type, click.Choice):
                assert set(parameter.type.choices) <= set(codes(text)), (path, parameter.name)
            if isinstance(default, (str, int)):
                assert f"`{default}`" in text, (path, parameter.name, default)
        documented = {code for code in codes(text) if re.fullmatch(r"--[a-z-]+", code)}
        real = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
        assert documented <= real, path


def test_every_check_of_the_doctor_is_documented_in_its_order() -> None:
    (rows,) = tables(read("reference/doctor.md"))
    assert [row[0].strip("`") for row in rows[1:]] == [check.id for check in CHECKS]


def test_every_signal_is_documented() -> None:
    page = read("reference/signals.md")
    rows = {row[0].strip("`"): row for table in tables(page) for row in table[1:]}
    named = {
        value.name: value for value in vars(signals).values() if isinstance(value, NamedSignal)
    }
    assert set(rows) == set(named)
    for signal in signals.MONEY_SIGNALS:
        assert codes(rows[signal.name][2]) == ["purchase", "grant", "session"]
        assert "undoes everything" in rows[signal.name][3]


def test_every_error_is_documented_with_its_parent_its_attributes_and_its_answer() -> None:
    (rows,) = tables(read("reference/errors.md"))
    documented = {row[0].strip("`"): row for row in rows[1:]}
    classes = {
        name: value
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, Exception)
    }
    assert set(documented) == set(classes)
    for name, kind in classes.items():
        _, parent, attributes, status, code = documented[name]
        assert parent == f"`{kind.__base__.__name__}`", name  # type: ignore[union-attr]
        assert codes(attributes) == re.findall(r":ivar (\w+):", kind.__doc__ or ""), name
        answer = next(
            (found for one, found in problems.ANSWERS.items() if issubclass(kind, one)), None
        )
        expected = (500, "internal_error") if answer is None else (answer.status, answer.code)
        assert (int(status), code.strip("`")) == expected, name


def test_every_code_of_a_problem_is_documented_with_its_status() -> None:
    text = sections("reference/http-api.md")["Errors"]
    (rows,) = tables(text)
    documented = {row[1].strip("`"): int(row[0]) for row in rows[1:]}
    ours = {answer.code: answer.status for answer in problems.ANSWERS.values()}
    for error in (protection.CrossSite, administrators.NotAdministrator):
        ours[error.problem_code] = error.code
    assert ours.items() <= documented.items()


def test_codes_of_plain_http_errors_are_as_documented(documented_app: Flask) -> None:
    client = documented_app.test_client()
    json = {"content_type": "application/json"}
    asked = {
        "not_found": client.get(f"{PREFIX}/nothing"),
        "method_not_allowed": client.delete(f"{PREFIX}/purchase"),
        "unauthorized": client.get(f"{PREFIX}/history"),
        "not_configured": client.post(f"{PREFIX}/webhook", data=b"{}", **json),
        "unsupported_media_type": client.post(
            f"{PREFIX}/webhook", data=b"{}", headers={"Content-Encoding": "gzip"}
        ),
        "payload_too_large": client.post(f"{PREFIX}/webhook", data=b" " * 600_000, **json),
    }
    (rows,) = tables(sections("reference/http-api.md")["Errors"])
    documented = {row[1].strip("`"): int(row[0]) for row in rows[1:]}
    for code, answer in asked.items():
        assert answer.json is not None
        assert (answer.json["code"], answer.status_code) == (code, documented[code])


def test_every_route_is_documented(documented_app: Flask) -> None:
    routes = {
        f"{method} {rule.rule.removeprefix(PREFIX)}"
        for rule in documented_app.url_map.iter_rules()
        if rule.endpoint.startswith("stripe_credits.") and "<path:" not in rule.rule
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    documented = {
        heading
        for heading in sections("reference/http-api.md")
        if re.match(r"(GET|POST|PUT|PATCH|DELETE) /", heading)
    }
    assert documented == routes


def test_every_page_is_documented() -> None:
    app = Flask("pages")
    app.config |= {
        "SQLALCHEMY_DATABASE_URI": "sqlite://",
        "SECRET_KEY": "only for tests",
        "STRIPE_CREDITS_PAGES": "/credits",
    }
    StripeCredits(app, SQLAlchemy(app))
    pages = {
        (method, re.sub(r"<\w+:", "<", rule.rule.removeprefix("/credits")) or "/")
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("stripe_credits_pages.")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    (rows,) = tables(sections("reference/http-api.md")["The pages"])
    assert pages == {
        (method, path.strip("`")) for methods, path, _ in rows[1:] for method in codes(methods)
    }


@pytest.mark.parametrize(
    ("section", "schema", "table"),
    [
        ("GET /packages", schemas.PackageSchema, 0),
        ("POST /purchase", schemas.PurchaseRequestSchema, 0),
        ("POST /purchase", schemas.CheckoutSchema, 2),
        ("GET /history", schemas.HistoryQuerySchema, 0),
        ("GET /history", schemas.HistoryItemSchema, 1),
        ("POST /webhook", schemas.WebhookAnswerSchema, 0),
        ("GET /health", schemas.HealthSchema, 0),
        ("GET /health/live", schemas.LivenessSchema, 0),
        ("GET /admin/purchases", admin_schemas.PurchasesQuerySchema, 0),
        ("GET /admin/purchases", admin_schemas.AdminPurchaseSchema, 1),
        ("GET /admin/purchases/<purchase_id>", admin_schemas.EntrySchema, 1),
        ("POST /admin/purchases/<purchase_id>/refund", admin_schemas.RefundRequestSchema, 0),
        ("POST /admin/purchases/<purchase_id>/refund", admin_schemas.RefundSchema, 1),
        ("POST /admin/events/<event_id>/replay", admin_schemas.ReplayedSchema, 0),
        ("GET /admin/reviews", admin_schemas.WaitingItemSchema, 0),
        ("POST /admin/reviews/<target>", admin_schemas.ReviewRequestSchema, 0),
        ("POST /admin/reviews/<target>", admin_schemas.ReviewSchema, 1),
        ("GET /admin/figures", admin_schemas.FiguresQuerySchema, 0),
        ("GET /admin/figures", FiguresSchema, 1),
    ],
)
def test_every_field_is_documented(section: str, schema: Any, table: int) -> None:
    rows = list(tables(sections("reference/http-api.md")[section]))[table]
    assert {row[0].strip("`") for row in rows[1:]} == set(schema().fields)


def test_what_administrators_get_more_of_is_documented() -> None:
    for section, schema, base in (
        (
            "GET /admin/purchases/<purchase_id>",
            admin_schemas.AdminPurchaseDetailSchema,
            admin_schemas.AdminPurchaseSchema,
        ),
        ("GET /admin/packages", admin_schemas.AdminPackageSchema, schemas.PackageSchema),
    ):
        rows = next(tables(sections("reference/http-api.md")[section]))
        more = set(schema().fields) - set(base().fields)
        assert {row[0].strip("`") for row in rows[1:]} == more
    rows = next(tables(sections("reference/http-api.md")["POST /admin/packages"]))
    assert {row[0].strip("`") for row in rows[1:]} == set(FIELDS)


def test_the_fields_of_one_purchase_are_documented() -> None:
    (rows,) = tables(sections("reference/http-api.md")["GET /purchases/<purchase_id>"])
    more = set(schemas.PurchaseDetailSchema().fields) - set(schemas.HistoryItemSchema().fields)
    assert {row[0].strip("`") for row in rows[1:]} == more


def test_every_status_and_verdict_is_documented() -> None:
    from flask_stripe_credits.facts import PurchaseStatus, Verdict

    statuses = list(tables(sections("reference/http-api.md")["GET /history"]))[2]
    assert {row[0].strip("`") for row in statuses[1:]} == set(PurchaseStatus)
    (verdicts,) = tables(sections("reference/webhook-events.md")["Verdicts"])
    assert {row[0].strip("`") for row in verdicts[1:]} == set(Verdict)


def test_every_handled_event_is_documented_and_asked_for() -> None:
    page = read("reference/webhook-events.md")
    rows = next(tables(page))
    assert {row[0].strip("`") for row in rows[1:]} - {"anything else"} == set(HANDLERS)
    for place in (page, read("how-to/set-up-the-webhook.md")):
        listed = re.search(r"```text\n((?:.*\n)*?) *```", place)
        assert listed is not None
        assert set(listed[1].split()) == set(HANDLERS)


def type_name(column: sa.Column[Any]) -> str:
    name = str(column.type.compile(_POSTGRESQL)).lower()
    return name.replace("timestamp with time zone", "timestamptz")


def test_every_table_and_column_is_documented_as_it_is() -> None:
    models = build_models(sa.MetaData())
    on_the_page = sections("reference/database-schema.md")
    assert set(on_the_page) - {"Database schema"} == {table.name for table in models.tables}
    for table in models.tables:
        columns, constraints = tables(on_the_page[table.name])
        assert [row[:3] for row in columns[1:]] == [
            [f"`{column.name}`", type_name(column), "yes" if column.nullable else "no"]
            for column in table.columns
        ]
        ours: list[Any] = [*table.constraints, *table.indexes]
        named = {str(one.name) for one in ours}
        assert {row[0].strip("`") for row in constraints[1:]} == named


def test_the_models_are_documented_with_their_tables() -> None:
    models = build_models(sa.MetaData())
    (rows,) = tables(sections("reference/python-api.md")["The extension"])
    assert {row[0].strip("`"): row[1].strip("`") for row in rows[1:]} == {
        f"credits.{name}": models.table(getattr(models, name)).name for name in models.names()
    }


def test_every_public_name_is_on_the_python_page() -> None:
    import flask_stripe_credits

    page = read("reference/python-api.md")
    for name in flask_stripe_credits.__all__:
        module = "flask_stripe_credits" + (".errors" if name == "StripeCreditsError" else "")
        assert f":: {module}.{name}\n" in page or f":: {module}\n" in page, name
    decorators = {
        name
        for name, value in vars(StripeCredits).items()
        if not name.startswith("_") and (inspect.isfunction(value) or isinstance(value, property))
    }
    members = re.search(r":members: (init_app.*)", page)
    assert members is not None
    assert set(members[1].split(", ")) == decorators


# What the page shows by its docstring alone: every field has to have its line there.
VALUES = (PurchaseSnapshot, GrantSnapshot, mail.Letter, testing.Delivered, Chaos)


@pytest.mark.parametrize("kind", VALUES, ids=lambda kind: kind.__name__)
def test_every_field_of_a_value_is_described(kind: Any) -> None:
    described = re.findall(r":ivar (\w+):", kind.__doc__)
    assert described == [field.name for field in fields(kind)]
    assert f"{kind.__name__}\n" in read("reference/python-api.md")


def test_every_name_for_mail_and_for_tests_is_on_the_python_page() -> None:
    page = read("reference/python-api.md")
    named = set(re.findall(r"^\.\. auto\w+:: flask_stripe_credits\.(\S+)$", page, re.MULTILINE))
    # `install` is what init_app calls.
    assert {f"mail.{name}" for name in mail.__all__} - {"mail.install"} <= named
    assert {f"testing.{name}" for name in testing.__all__} <= named
    plugins = {
        name
        for name, value in vars(testing_fixtures).items()
        if type(value).__name__ == "FixtureFunctionDefinition"
    }
    assert plugins and plugins <= set(codes(sections("reference/python-api.md")["Testing"]))


def test_every_action_of_the_audit_log_is_documented() -> None:
    families = "purchase|event|refund|package|webhook_endpoint|inbox"
    left_out = ("cli", "gateway", "sandbox", "testing")
    source = "".join(
        path.read_text()
        for path in (ROOT / "flask_stripe_credits").rglob("*.py")
        if path.relative_to(ROOT / "flask_stripe_credits").parts[0] not in left_out
    )
    written = set(re.findall(rf'"((?:{families})\.[a-z_]+)"', source)) - set(HANDLERS)
    commands = "".join(
        path.read_text()
        for path in (ROOT / "flask_stripe_credits" / "cli" / "webhook").glob("*.py")
    )
    endpoints = re.findall(r'say_unless_audited\(state, "([a-z]+)"', commands)
    written |= {f"webhook_endpoint.{act}" for act in endpoints}
    written |= {f"event.{verdict}" for verdict in (Verdict.REVIEW, Verdict.ORPHAN)}
    written |= {f"package.{kind}" for kind in (Kind.CREATED, Kind.UPDATED)} | {"purchase.<status>"}
    (actions,) = tables(sections("how-to/audit.md")["The audit log"])
    documented = {name for row in actions[1:] for name in codes(row[0])}
    assert len(endpoints) > 3
    assert documented == written


def test_the_floors_are_those_of_the_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = contracts["contracts"][0]["layers"]
    package = ROOT / "flask_stripe_credits"
    there = [
        name
        for layer in reversed(layers)
        for name in re.findall(r"[a-z_]+", layer)
        if (package / f"{name}.py").exists() or (package / name).is_dir()
    ]
    (floors,) = tables(sections("explanation/architecture.md")["The floors, from the ground"])
    assert [row[0].strip("`") for row in floors[1:]] == there
