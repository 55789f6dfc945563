from __future__ import annotations

import gc
import itertools
import logging
import subprocess
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import LoginManager, UserMixin, login_user
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_wtf.csrf import CSRFProtect
from sqlalchemy.orm import (
    DeclarativeBase,
    DeclarativeBaseNoMeta,
    Mapped,
    MappedAsDataclass,
    declared_attr,
    mapped_column,
    relationship,
)
from sqlalchemy.orm import registry as sa_registry

from flask_stripe_credits import StripeCredits
from flask_stripe_credits.errors import ConfigurationError
from flask_stripe_credits.models import TABLE_NAMES, CreditPurchaseMixin
from flask_stripe_credits.state import EXTENSION_KEY, current_state, state_of

from .databases import dispose_engines
from .hosts import PREFIX, Host, make_host
from .payloads import encode, event, new_api_key, new_secret, sign

SECRET = new_secret()


def new_db(**options: Any) -> SQLAlchemy:
    class Base(DeclarativeBase):
        pass

    return SQLAlchemy(**{"model_class": Base} | options)


def new_app(name: str = "app", **config: Any) -> Flask:
    app = Flask(name)
    app.config |= {
        "TESTING": True,
        "SECRET_KEY": "only for tests",
        "SQLALCHEMY_DATABASE_URI": "sqlite://",
        "STRIPE_SECRET_KEY": new_api_key(),
        "STRIPE_WEBHOOK_SECRET_CREDITS": SECRET,
    } | config
    return app


def deliver(app: Flask, secret: str = SECRET) -> Any:
    """A signed event of a type that nobody handles: no database takes part."""
    body = encode(event("customer.created", {"id": "cus_1", "object": "customer"}))
    return app.test_client().post(
        f"{PREFIX}/webhook", data=body, headers={"Stripe-Signature": sign(body, secret)}
    )


# The three ways.


def test_the_constructor_takes_app_and_db() -> None:
    app, db = new_app(), new_db()
    db.init_app(app)
    credits = StripeCredits(app, db)
    assert state_of(app).models is credits.models
    assert deliver(app).json == {"received": True, "verdict": "ignored"}


def test_the_constructor_takes_db_and_init_app_the_app() -> None:
    app, db = new_app(), new_db()
    credits = StripeCredits(db=db)
    assert credits.Purchase.__table__ in db.metadata.tables.values()  # type: ignore[attr-defined]
    credits.init_app(app)
    db.init_app(app)
    assert deliver(app).status_code == 200


def test_init_app_takes_both() -> None:
    app, db = new_app(), new_db()
    credits = StripeCredits()
    credits.init_app(app, db)
    assert credits.Package.__table__ in db.metadata.tables.values()  # type: ignore[attr-defined]
    credits_again = StripeCredits(db=db)
    assert credits_again.models is credits.models


def test_without_db_it_says_how_to_give_one() -> None:
    for make in (
        lambda: StripeCredits(new_app()),
        lambda: StripeCredits().init_app(new_app()),
        lambda: StripeCredits().models,
    ):
        with pytest.raises(ConfigurationError, match=r"StripeCredits\(db=db\)"):
            make()


def test_a_failed_init_app_leaves_the_app_as_it_was() -> None:
    app = new_app(STRIPE_CREDITS_WEBHOOK_TOLERANCE_SECONDS=0)
    credits = StripeCredits(db=new_db())
    with pytest.raises(ConfigurationError, match="TOLERANCE"):
        credits.init_app(app)
    assert EXTENSION_KEY not in app.extensions
    assert "stripe_credits" not in app.blueprints
    app.config["STRIPE_CREDITS_WEBHOOK_TOLERANCE_SECONDS"] = 300
    credits.init_app(app)
    assert deliver(app).status_code == 200


def test_a_second_init_app_is_refused_by_name() -> None:
    app, db = new_app("shop"), new_db()
    credits = StripeCredits(app, db)
    for again in (credits, StripeCredits(db=db), StripeCredits()):
        with pytest.raises(ConfigurationError, match="already initialised on app 'shop'"):
            again.init_app(app, db)


def test_one_object_belongs_to_one_db() -> None:
    credits = StripeCredits(db=new_db())
    with pytest.raises(ConfigurationError, match="another SQLAlchemy"):
        credits.init_app(new_app(), new_db())


def test_an_app_without_it_says_what_is_missing() -> None:
    app = new_app()
    with app.app_context(), pytest.raises(ConfigurationError, match="no StripeCredits"):
        current_state()


def test_settings_are_read_once() -> None:
    app = new_app(STRIPE_CREDITS_SITE="first")
    StripeCredits(app, new_db())
    app.config["STRIPE_CREDITS_SITE"] = "second"
    assert state_of(app).settings.site == "first"


def test_E01_unusable_keys_are_told_loudly_and_do_not_stop_the_app(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = new_app(STRIPE_SECRET_KEY=None, STRIPE_WEBHOOK_SECRET_CREDITS="whsec_placeholder")
    StripeCredits(app, new_db())
    critical = [r.getMessage() for r in caplog.records if r.levelno == logging.CRITICAL]
    assert len(critical) == 2
    assert any("STRIPE_SECRET_KEY" in line and "POST /purchase" in line for line in critical)
    assert any("STRIPE_WEBHOOK_SECRET_CREDITS" in line for line in critical)
    assert deliver(app).status_code == 503


# Several apps.


def test_several_apps_keep_their_settings_and_databases(tmp_path: Path) -> None:
    hosts = [
        make_host(f"sqlite:///{tmp_path / f'{name}.sqlite'}", STRIPE_CREDITS_SITE=name)
        for name in ("one", "two")
    ]
    one, two = hosts
    assert (one.state.settings.site, two.state.settings.site) == ("one", "two")
    purchase = one.add_purchase()
    assert one.pay(purchase, metadata={}).status_code == 200
    assert (one.ledger(), two.ledger(), two.purchases()) == ([1000], [], [])
    assert one.client.post(f"{PREFIX}/webhook").status_code == 400
    assert deliver(two.app, one.webhook_secret).status_code == 400
    assert deliver(two.app, two.webhook_secret).status_code == 200


def test_C19_one_object_serves_several_apps_and_each_grants_once(tmp_path: Path) -> None:
    """The factory that runs twice, with a receiver defined inside."""
    db = new_db()
    credits = StripeCredits(db=db)
    received: list[tuple[str, int]] = []

    def create_app(name: str) -> Flask:
        app = new_app(name, SQLALCHEMY_DATABASE_URI=f"sqlite:///{tmp_path / name}.sqlite")
        db.init_app(app)
        credits.init_app(app)

        @credits.on_grant
        def book(grant: Any) -> None:
            received.append((name, grant.credits))

        with app.app_context():
            db.create_all()
        return app

    apps = [create_app("one"), create_app("two")]
    for app in apps:
        host = Host(app, db, credits, None, SECRET)
        host.pay(host.add_purchase())
    # The last function of that name serves both, once each.
    assert received == [("two", 1000), ("two", 1000)]


def test_two_objects_on_one_db_share_the_models_and_not_the_receivers(tmp_path: Path) -> None:
    db = new_db()
    received: list[str] = []
    apps = []
    for name in ("one", "two"):
        credits = StripeCredits(db=db)
        app = new_app(name, SQLALCHEMY_DATABASE_URI=f"sqlite:///{tmp_path / name}.sqlite")
        db.init_app(app)
        credits.init_app(app)
        credits.on_grant(_appending(received, name))
        apps.append((app, credits))
    assert apps[0][1].Purchase is apps[1][1].Purchase
    for app, credits in apps:
        with app.app_context():
            db.create_all()
        host = Host(app, db, credits, None, SECRET)
        host.pay(host.add_purchase())
    assert received == ["one", "two"]


def _appending(received: list[str], name: str) -> Callable[[Any], None]:
    def book(grant: Any) -> None:
        received.append(name)

    return book


def test_fifty_apps_in_one_process_and_none_is_kept_alive() -> None:
    alive: list[weakref.ref[Flask]] = []
    for number in range(50):
        app, db = new_app(f"app{number}"), new_db()
        db.init_app(app)
        credits = StripeCredits(app, db)
        credits.on_grant(lambda grant: None)
        assert deliver(app).status_code == 200
        alive.append(weakref.ref(app))
    dispose_engines()
    del app, db, credits
    gc.collect()
    assert sum(reference() is not None for reference in alive) <= 2


# The order of init_app.


class User(UserMixin):
    def __init__(self, id: str) -> None:
        self.id = id


def new_host_objects() -> tuple[SQLAlchemy, StripeCredits]:
    db = new_db()

    class Note(db.Model):  # type: ignore[name-defined, misc]
        id: Mapped[int] = mapped_column(primary_key=True)

    return db, StripeCredits(db=db)


def initialise_in(order: tuple[str, ...], db: SQLAlchemy, credits: StripeCredits) -> Flask:
    app = new_app()
    login, csrf = LoginManager(), CSRFProtect()
    limiter = Limiter(get_remote_address, default_limits=["2 per hour"], storage_uri="memory://")
    login.user_loader(User)
    steps: dict[str, Callable[[], object]] = {
        "db": lambda: db.init_app(app),
        "credits": lambda: credits.init_app(app),
        "migrate": lambda: Migrate().init_app(app, db),
        "login": lambda: login.init_app(app),
        "csrf": lambda: csrf.init_app(app),
        "limiter": lambda: limiter.init_app(app),
    }
    for name in order:
        steps[name]()

    @app.get("/login/<user_id>")
    def sign_in(user_id: str) -> str:
        login_user(User(user_id))
        return "welcome"

    @app.post("/own-form")
    @limiter.exempt
    def own_form() -> str:
        return "done"

    return app


STEPS = ("db", "credits", "migrate", "login", "csrf", "limiter")


@pytest.mark.parametrize("first", STEPS)
def test_the_order_of_init_app_never_matters(first: str) -> None:
    """E21, E22: all 720 orders, with Flask-Migrate, -Login, -WTF and -Limiter."""
    db, credits = new_host_objects()
    for rest in itertools.permutations([name for name in STEPS if name != first]):
        order = (first, *rest)
        app = initialise_in(order, db, credits)
        for _ in range(3):
            assert deliver(app).status_code == 200, order
        client = app.test_client()
        assert client.post("/own-form").status_code == 400, order
        # Malformed ids need no database: 401 without and 404 with a user.
        url = f"{PREFIX}/purchases/x"
        assert client.get(url).status_code == 401, order
        assert client.get("/login/alice").status_code == 200, order
        assert client.get(url).status_code == 404, order
        assert client.get(url).status_code == 429, order


def test_the_hosts_migrations_leave_our_tables_out_in_every_order() -> None:
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        for order in itertools.permutations(("db", "credits", "migrate")):
            db, credits = new_host_objects()
            initialise_in(order, db, credits)
            found = compare_metadata(MigrationContext.configure(connection), db.metadata)
            assert [step[1].name for step in found] == ["note"], order
    engine.dispose()


# What importing costs.


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_neither_import_nor_init_app_imports_stripe() -> None:
    program = """
import sys
import flask_stripe_credits
def heavy():
    return sorted({"stripe", "requests", "alembic", "apispec"} & set(sys.modules))
print(heavy())
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
db = SQLAlchemy()
app = Flask("app")
app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
db.init_app(app)
credits = flask_stripe_credits.StripeCredits(app, db)
app.test_client().post("/api/v1/billing/credits/webhook")
print("stripe" in sys.modules, "requests" in sys.modules)
"""
    assert run(program).split("\n")[1] == "False False"
    assert "stripe" not in run(program).split("\n")[0]


# Hosts of every kind.


def declarative() -> SQLAlchemy:
    return new_db()


def dataclasses() -> SQLAlchemy:
    # Flask-SQLAlchemy 3.1 can't take such a base itself on SQLAlchemy 2.1: the metadata is shared.
    class Base(MappedAsDataclass, DeclarativeBase):
        pass

    class Member(Base):
        __tablename__ = "member"
        id: Mapped[int] = mapped_column(primary_key=True, init=False)
        name: Mapped[str]

    return SQLAlchemy(metadata=Base.metadata)


def without_metaclass() -> SQLAlchemy:
    class Base(DeclarativeBaseNoMeta):
        pass

    return SQLAlchemy(model_class=Base)


def custom_base() -> SQLAlchemy:
    """Its columns, types and names are for the host's own models."""

    class Base(DeclarativeBase):
        registry = sa_registry(
            type_annotation_map={str: sa.String(7), int: sa.SmallInteger()},
        )
        created_by: Mapped[str] = mapped_column(default="host")

        @declared_attr.directive
        @classmethod
        def __tablename__(cls) -> str:
            return f"host_{cls.__name__.lower()}"

    return SQLAlchemy(model_class=Base)


def naming_convention() -> SQLAlchemy:
    convention = {
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
    return SQLAlchemy(metadata=sa.MetaData(naming_convention=convention))


def quiet_session() -> SQLAlchemy:
    return new_db(session_options={"autoflush": False, "expire_on_commit": False})


KINDS = (
    SQLAlchemy,
    declarative,
    dataclasses,
    without_metaclass,
    custom_base,
    naming_convention,
    quiet_session,
)


def sell_one(db: SQLAlchemy, credits: StripeCredits, app: Flask) -> list[int]:
    """Pay a purchase by webhook; returns what a receiver saw."""
    received: list[int] = []
    credits.on_grant(_collecting(received))
    with app.app_context():
        db.create_all()
    host = Host(app, db, credits, None, SECRET)
    purchase = host.add_purchase()
    for _ in range(2):
        assert host.pay(purchase).status_code == 200
    assert host.purchase(purchase["id"])["status"] == "completed"
    return received


def _collecting(received: list[int]) -> Callable[[Any], None]:
    def collect(grant: Any) -> None:
        received.append(grant.credits)

    return collect


@pytest.mark.parametrize("new_kind", KINDS, ids=lambda kind: kind.__name__)
def test_C24_any_kind_of_host_can_sell(
    new_kind: Callable[[], SQLAlchemy], database_url: str
) -> None:
    db = new_kind()
    app = new_app(SQLALCHEMY_DATABASE_URI=database_url)
    db.init_app(app)
    credits = StripeCredits(app, db)
    assert sell_one(db, credits, app) == [1000]
    with app.app_context():
        columns = {c["name"] for c in sa.inspect(db.engine).get_columns("credit_purchases")}
        names = {u["name"] for u in sa.inspect(db.engine).get_unique_constraints("credit_grants")}
    assert "created_by" not in columns
    assert names == {"uq_credit_grants_purchase_id_sequence"}


def test_C24_a_schema_of_the_hosts_holds_our_tables(postgres_database_url: str) -> None:
    db = SQLAlchemy(metadata=sa.MetaData(schema="billing"))
    app = new_app(SQLALCHEMY_DATABASE_URI=postgres_database_url)
    db.init_app(app)
    credits = StripeCredits(app, db)
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(sa.text("CREATE SCHEMA billing"))
    assert sell_one(db, credits, app) == [1000]
    with app.app_context():
        assert set(sa.inspect(db.engine).get_table_names("billing")) >= TABLE_NAMES
        assert sa.inspect(db.engine).get_table_names("public") == []


def test_C24_a_table_of_the_same_name_is_told() -> None:
    db = new_db()

    class CreditPurchases(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "credit_purchases"
        id: Mapped[int] = mapped_column(primary_key=True)

    with pytest.raises(ConfigurationError, match="credit_purchases"):
        StripeCredits(db=db)
    with pytest.raises(ConfigurationError, match="rename your tables"):
        StripeCredits().init_app(new_app(), db)


def test_C24_models_of_the_same_class_name_do_not_clash(database_url: str) -> None:
    db = new_db()

    class CreditPurchase(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "shop_purchases"
        id: Mapped[int] = mapped_column(primary_key=True)

    class Purchase(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "other_purchases"
        id: Mapped[int] = mapped_column(primary_key=True)

    app = new_app(SQLALCHEMY_DATABASE_URI=database_url)
    db.init_app(app)
    assert sell_one(db, StripeCredits(app, db), app) == [1000]


def test_C24_models_on_other_databases_stay_there(tmp_path: Path, database_url: str) -> None:
    db = new_db()
    app = new_app(
        SQLALCHEMY_DATABASE_URI=database_url,
        SQLALCHEMY_BINDS={"logs": f"sqlite:///{tmp_path / 'logs.sqlite'}"},
    )

    class LogLine(db.Model):  # type: ignore[name-defined, misc]
        __bind_key__ = "logs"
        id: Mapped[int] = mapped_column(primary_key=True)

    db.init_app(app)
    credits = StripeCredits(app, db)
    assert sell_one(db, credits, app) == [1000]
    with app.app_context():
        assert sa.inspect(db.engines["logs"]).get_table_names() == ["log_line"]
        assert "log_line" not in sa.inspect(db.engine).get_table_names()


def test_a_host_points_foreign_keys_and_relationships_at_our_tables(database_url: str) -> None:
    db = new_db()
    credits = StripeCredits(db=db)

    class Invoice(db.Model):  # type: ignore[name-defined, misc]
        id: Mapped[int] = mapped_column(primary_key=True)
        purchase_id: Mapped[Any] = mapped_column(sa.Uuid, sa.ForeignKey("credit_purchases.id"))
        purchase = relationship(credits.Purchase, lazy="joined")

    app = new_app(SQLALCHEMY_DATABASE_URI=database_url)
    db.init_app(app)
    credits.init_app(app)

    @credits.on_grant
    def bill(purchase: Any, session: Any) -> None:
        found = session.scalars(sa.select(credits.Purchase)).one()
        session.add(Invoice(id=1, purchase_id=found.id))

    assert sell_one(db, credits, app) == [1000]
    with app.app_context():
        (invoice,) = db.session.scalars(sa.select(Invoice)).all()
        assert (invoice.purchase.user_id, invoice.purchase.status) == ("alice", "completed")


def test_a_purchase_class_of_the_host_brings_its_own_methods(database_url: str) -> None:
    class ShopPurchase(CreditPurchaseMixin):
        @property
        def is_large(self) -> bool:
            return self.amount_credits >= 1_000

    db = new_db()
    credits = StripeCredits(db=db, purchase_class=ShopPurchase)
    app = new_app(SQLALCHEMY_DATABASE_URI=database_url)
    db.init_app(app)
    credits.init_app(app)
    assert sell_one(db, credits, app) == [1000]
    with app.app_context():
        purchase: Any = db.session.scalars(sa.select(credits.Purchase)).one()
        assert isinstance(purchase, ShopPurchase)
        assert purchase.is_large
    with pytest.raises(ConfigurationError, match="ShopPurchase"):
        StripeCredits(db=db)


def test_a_purchase_class_of_the_host_may_have_a_constructor() -> None:
    class ShopPurchase(CreditPurchaseMixin):
        def __init__(self, user_id: str) -> None:
            self.user_id = user_id.lower()

    purchase: Any = StripeCredits(db=new_db(), purchase_class=ShopPurchase).Purchase
    assert purchase("ALICE").user_id == "alice"


def test_every_model_is_an_attribute() -> None:
    credits = StripeCredits(db=new_db())
    assert {
        credits.Package,
        credits.Purchase,
        credits.Buyer,
        credits.RefundRequest,
        credits.Payment,
        credits.Refund,
        credits.Dispute,
        credits.Grant,
        credits.WebhookEvent,
        credits.AuditLog,
    } == {*vars(credits.models).values()}


def test_callbacks_are_returned_and_belong_to_the_object() -> None:
    one, two = StripeCredits(db=new_db()), StripeCredits(db=new_db())
    apps = [new_app("one"), new_app("two")]
    one.init_app(apps[0])
    two.init_app(apps[1])

    def who() -> str:
        return "alice"

    def add(purchase: Any, params: dict[str, Any]) -> dict[str, Any]:
        return params

    assert one.user_id_loader(who) is who
    assert one.checkout_session_params(add) is add
    for app, expected in zip(apps, (404, 401), strict=True):
        assert app.test_client().get(f"{PREFIX}/purchases/x").status_code == expected


def test_the_object_may_be_forgotten_once_the_app_has_it(tmp_path: Path) -> None:
    """C19: receivers live as long as the app does."""
    received: list[int] = []

    def create_app() -> tuple[Flask, SQLAlchemy]:
        app, db = new_app(SQLALCHEMY_DATABASE_URI=f"sqlite:///{tmp_path / 'x.sqlite'}"), new_db()
        db.init_app(app)
        StripeCredits(app, db).on_grant(_collecting(received))
        with app.app_context():
            db.create_all()
        return app, db

    app, db = create_app()
    gc.collect()
    host = Host(app, db, StripeCredits(db=db), None, SECRET)
    host.pay(host.add_purchase())
    assert received == [1000]
