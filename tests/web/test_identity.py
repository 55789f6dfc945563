"""Who is asking: the host says, and only what can be stored as a user's id is one."""

from __future__ import annotations

import enum
import uuid
from decimal import Decimal
from typing import Any

import pytest
from flask import request
from flask_login import LoginManager, UserMixin, login_user, logout_user
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase

from flask_stripe_credits import StripeCredits
from flask_stripe_credits.sandbox import Sandbox

from ..hosts import PREFIX, Host, make_host
from ..stripe_stub import NewShop


class Plan(enum.IntEnum):
    FREE = 1


NOBODY = [
    *(None, "", " ", "\t\n", True, False, 1.0, Decimal(1), b"alice", ["alice"], {"id": 1}),
    *("a" * 256, "\0", "ali\0ce", "\ud800", "alice\udfff", 10**5_000, -(10**5_000), 10**255),
    *(object(), ("alice",), float("nan"), (x for x in "alice"), Exception("alice")),
]

SOMEBODY: list[tuple[Any, str]] = [
    ("alice", "alice"),
    (0, "0"),
    (7, "7"),
    (-7, "-7"),
    (2**63, str(2**63)),
    (10**254, "1" + "0" * 254),
    (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"),
    ("a" * 255, "a" * 255),
    ("😀" * 255, "😀" * 255),
    ("alice@shop.test", "alice@shop.test"),
    ("../../etc/passwd", "../../etc/passwd"),
    ("'; DROP TABLE credit_purchases;--", "'; DROP TABLE credit_purchases;--"),
    ("<script>", "<script>"),
    ("None", "None"),
    ("null", "null"),
    ("İstanbul", "İstanbul"),
]


def test_D12_what_is_no_id_is_nobody(small_shop: Host) -> None:
    client = small_shop.client
    for value in NOBODY:
        small_shop.user = value
        for answer in (
            client.get(f"{PREFIX}/packages"),
            client.get(f"{PREFIX}/history"),
            client.get(f"{PREFIX}/purchases/{uuid.uuid4()}"),
            client.post(f"{PREFIX}/purchase", json={"package_code": "starter"}),
            client.post(f"{PREFIX}/purchase", data="not even JSON"),
        ):
            assert answer.status_code == 401, type(value)
            assert (answer.json or {})["code"] == "unauthorized"
    assert small_shop.purchases() == [] == small_shop.rows(small_shop.credits.Buyer)


def test_F22_any_id_that_can_be_stored_is_kept_as_it_is(shop: Host, stripe: Sandbox) -> None:
    for value, stored in SOMEBODY:
        shop.user = value
        answer = shop.client.post(f"{PREFIX}/purchase", json={"package_code": "starter"})
        assert answer.status_code == 201, (value, answer.text)
        purchase = shop.purchase((answer.json or {})["purchase_id"])
        assert purchase["user_id"] == stored
        shop.pay(purchase)
        assert shop.ledger(stored) == [1000]
        assert len(shop.client.get(f"{PREFIX}/history").json or []) == 1


def test_F22_ids_that_look_alike_are_different_users(shop: Host) -> None:
    alike = [
        *(
            "alice",
            "Alice",
            "ALICE",
            "alice ",
            " alice",
            "al\u0131ce",
            "ali\u0441e",
            "alice\u200b",
            "alicé",
        ),
        *(
            "alice\u0301",
            "\uff41lice",
            "i",
            "İ",
            "I",
            "\u0131",
            "1",
            "01",
            "1 ",
            "1.0",
            "ß",
            "ss",
            "SS",
        ),
    ]
    for name in alike:
        shop.add_purchase(user_id=name)
    for name in alike:
        shop.user = name
        (item,) = shop.client.get(f"{PREFIX}/history").json or []
        assert shop.purchase(item["id"])["user_id"] == name


def test_without_loader_and_login_manager_nobody_is_asking(tmp_path: Any) -> None:
    host = make_host(f"sqlite:///{tmp_path / 'x.sqlite'}")
    host.state.callbacks.user_id_loader = None
    assert host.client.get(f"{PREFIX}/history").status_code == 401
    assert host.client.get(f"{PREFIX}/history").status_code == 401


class User(UserMixin):
    def __init__(self, id: str) -> None:
        self.id = id


@pytest.fixture
def with_login(new_shop: NewShop) -> Host:
    host = new_shop()
    host.state.callbacks.user_id_loader = None
    manager = LoginManager(host.app)

    @manager.user_loader
    def load(user_id: str) -> User | None:
        return None if user_id == "deleted" else User(user_id)

    @manager.request_loader
    def from_token(_: Any) -> User | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return User("bob") if (scheme, token) == ("Bearer", "token-of-bob") else None

    @host.app.post("/login/<user_id>")
    def login(user_id: str) -> str:
        login_user(User(user_id))
        return "welcome"

    @host.app.post("/logout")
    def logout() -> str:
        logout_user()
        return "good bye"

    return host


def test_flask_login_says_who_is_asking(with_login: Host) -> None:
    client = with_login.client
    assert client.get(f"{PREFIX}/history").status_code == 401
    client.post("/login/alice")
    assert client.get(f"{PREFIX}/history").status_code == 200
    client.post(f"{PREFIX}/purchase", json={"package_code": "starter"})
    assert [row["user_id"] for row in with_login.purchases()] == ["alice"]
    client.post("/logout")
    assert client.get(f"{PREFIX}/history").status_code == 401
    client.post("/login/deleted")
    assert client.get(f"{PREFIX}/history").status_code == 401


def test_a_bearer_token_works_like_the_session_cookie(with_login: Host) -> None:
    headers = {"Authorization": "Bearer token-of-bob"}
    answer = with_login.client.post(
        f"{PREFIX}/purchase", json={"package_code": "starter"}, headers=headers
    )
    assert answer.status_code == 201
    assert [row["user_id"] for row in with_login.purchases()] == ["bob"]
    wrong = {"Authorization": "Bearer token-of-carol"}
    assert with_login.client.get(f"{PREFIX}/history", headers=wrong).status_code == 401


def test_the_loader_of_the_host_goes_before_flask_login(with_login: Host) -> None:
    with_login.credits.user_id_loader(lambda: request.headers.get("X-Customer"))
    client = with_login.client
    client.post("/login/alice")
    assert client.get(f"{PREFIX}/history").status_code == 401
    assert client.get(f"{PREFIX}/history", headers={"X-Customer": "7"}).status_code == 200


def test_the_loader_is_returned_so_that_it_works_as_a_decorator() -> None:
    class Base(DeclarativeBase):
        pass

    credits = StripeCredits(db=SQLAlchemy(model_class=Base))

    @credits.user_id_loader
    def who() -> str:
        return "alice"

    assert who() == "alice"
