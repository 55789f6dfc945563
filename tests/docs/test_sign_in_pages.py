"""The pages about signing people in: whoever has a good token buys, and nobody else does."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import re
import socket
import struct
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_jwt_extended import (
    create_access_token,
    create_refresh_token,
    get_jwt_identity,
    set_access_cookies,
)
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.exceptions import Forbidden

from flask_stripe_credits.testing import StripeSandbox, assert_invariants

from ..hosts import PREFIX
from ..profiles import short
from .issuer import AUDIENCE, Issuer, issuing, new_signing_secret
from .pages import blocks
from .test_testing_page import run_suite

OIDC = "how-to/connect-an-openid-issuer.md"
JWT_EXTENDED = "how-to/connect-flask-jwt-extended.md"
FLASK_LOGIN = "how-to/connect-flask-login.md"


class Shop:
    """A page's app on the sandbox, with packages."""

    def __init__(self, page: Any, stripe: StripeSandbox) -> None:
        self.page, self.stripe = page, stripe

    @property
    def app(self) -> Flask:
        app: Flask = self.page.app
        return app

    @property
    def client(self) -> FlaskClient:
        return self.app.test_client()

    def history(self, token: str) -> Any:
        return self.client.get(f"{PREFIX}/history", headers=bearer(token))

    def buy(self, client: FlaskClient, **headers: str) -> Any:
        body = {"package_code": "starter"}
        return client.post(f"{PREFIX}/purchase", json=body, headers=headers)

    def pay(self, bought: Any) -> None:
        assert bought.status_code == 201, bought.text
        self.stripe.pay(bought.json["session_id"])
        self.stripe.deliver()

    def ledger(self) -> dict[str, int]:
        with self.app.app_context():
            entries = self.page.db.session.scalars(self.page.db.select(self.page.LedgerEntry))
            return {entry.user_id: entry.credits for entry in entries}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def open_shop(page: Any) -> Iterator[Shop]:
    with page.app.app_context():
        page.db.create_all()
    loaded = page.app.test_cli_runner().invoke(args=["credits", "packages", "load"])
    assert loaded.exit_code == 0, loaded.output
    with StripeSandbox(page.app) as stripe:
        yield Shop(page, stripe)
    assert_invariants(page.app)


@pytest.fixture
def issuer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Issuer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with issuing() as issuer:
        monkeypatch.setenv("FLASK_OIDC_ISSUER", issuer.url)
        monkeypatch.setenv("FLASK_OIDC_AUDIENCE", AUDIENCE)
        monkeypatch.setenv("FLASK_OIDC_JWKS_URI", f"{issuer.url}/certs")
        yield issuer


@pytest.fixture
def urls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPE_CREDITS_SUCCESS_URL", "http://localhost/thanks")
    monkeypatch.setenv("STRIPE_CREDITS_CANCEL_URL", "http://localhost/credits")
    monkeypatch.setenv("FLASK_SECRET_KEY", new_signing_secret())


@pytest.fixture
def oidc(load_page: Any, issuer: Issuer, urls: None) -> Iterator[Shop]:
    page, _ = load_page(OIDC)
    yield from open_shop(page)


@pytest.fixture
def pass_time(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Time for the library that keeps the issuer's keys."""
    passed = 0.0
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + passed)
    monkeypatch.setattr("jwt.jwks_client.time", clock)
    monkeypatch.setattr("jwt.jwk_set_cache.time", clock)

    def pass_by(seconds: float) -> None:
        nonlocal passed
        passed += seconds

    return pass_by


@pytest.mark.parametrize("kid", ["rsa", "ec"])
def test_whoever_has_the_issuers_token_buys_and_sees_only_their_own(
    oidc: Shop, issuer: Issuer, kid: str
) -> None:
    alice = str(uuid.UUID(int=7))
    bought = oidc.buy(oidc.client, **bearer(issuer.token(kid, sub=alice)))
    oidc.pay(bought)
    assert oidc.ledger() == {alice: 1000}
    (mine,) = oidc.history(issuer.token(kid, sub=alice)).json
    assert (mine["status"], mine["id"]) == ("completed", bought.json["purchase_id"])
    assert oidc.history(issuer.token(kid, sub="bob")).json == []
    one = f"{PREFIX}/purchases/{mine['id']}"
    assert oidc.client.get(one, headers=bearer(issuer.token(kid, sub="bob"))).status_code == 404
    assert issuer.asked == 1


def _segment(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _by_hand(header: Any, claims: Any, signature: bytes = b"") -> str:
    return f"{_segment(header)}.{_segment(claims)}.{_segment(signature)}"


def _confused(issuer: Issuer) -> str:
    """HS256 with the public key as the secret: PyJWT itself refuses to make one."""
    signed = _by_hand({"alg": "HS256", "typ": "JWT", "kid": "rsa"}, issuer.claims())
    signed = signed.rpartition(".")[0]
    mac = hmac.digest(issuer.public_pem("rsa"), signed.encode(), hashlib.sha256)
    return f"{signed}.{_segment(mac)}"


def _stranger(issuer: Issuer) -> str:
    other = Issuer()
    other.new_key("rsa")
    return issuer.token("rsa", key=other.keys["rsa"])


def _tampered(issuer: Issuer) -> str:
    header, _, signature = issuer.token().split(".")
    return f"{header}.{_segment(issuer.claims(sub='bob'))}.{signature}"


def _deep(issuer: Issuer) -> str:
    return f"{_segment(b'[' * 6000)}.{_segment({})}.{_segment(b'x')}"


BAD_TOKENS = {
    "another audience": lambda issuer: issuer.token(aud="account"),
    "no audience": lambda issuer: issuer.token(aud=None),
    "another issuer": lambda issuer: issuer.token(iss=f"{issuer.url}/"),
    "no issuer": lambda issuer: issuer.token(iss=None),
    "expired": lambda issuer: issuer.token(exp=int(time.time()) - 31),
    "without an end": lambda issuer: issuer.token(exp=None),
    "made in the future": lambda issuer: issuer.token(iat=int(time.time()) + 90),
    "not yet good": lambda issuer: issuer.token(nbf=int(time.time()) + 90),
    "nobody's": lambda issuer: issuer.token(sub=None),
    "an empty subject": lambda issuer: issuer.token(sub=""),
    "a number as subject": lambda issuer: issuer.token(sub=7),
    "another key's": _stranger,
    "the elliptic key in the other's name": lambda issuer: issuer.token(
        "rsa", key=issuer.keys["ec"]
    ),
    "an unknown key": lambda issuer: issuer.token("unknown", key=issuer.keys["rsa"]),
    "no key id": lambda issuer: jwt.encode(issuer.claims(), issuer.keys["rsa"], "RS256"),
    "tampered": _tampered,
    "no algorithm": lambda issuer: _by_hand({"alg": "none", "kid": "rsa"}, issuer.claims()),
    "the public key as a secret": _confused,
    "another algorithm of the same key": lambda issuer: jwt.encode(
        issuer.claims(), issuer.keys["rsa"], "PS256", headers={"kid": "rsa"}
    ),
    "a list as header": lambda issuer: _by_hand(["RS256"], issuer.claims()),
    "a number as key id": lambda issuer: _by_hand({"alg": "RS256", "kid": 7}, issuer.claims()),
    "deep nesting": _deep,
    "a huge number": lambda issuer: f"{_segment(b'9' * 6000)}.{_segment({})}.",
    "not a token": lambda issuer: "let me in",
    "not ASCII": lambda issuer: "ü.ü.ü",
    "nothing": lambda issuer: "",
}


@pytest.mark.parametrize("kind", list(BAD_TOKENS))
def test_no_other_token_buys_anything(
    oidc: Shop, issuer: Issuer, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    token = BAD_TOKENS[kind](issuer)
    refused = oidc.buy(oidc.client, **bearer(token))
    assert (refused.status_code, refused.json["code"]) == (401, "unauthorized")
    assert not token or token not in refused.text + caplog.text
    assert oidc.stripe.events == []
    assert oidc.history(issuer.token()).json == []
    assert oidc.ledger() == {}


def test_clocks_may_differ_by_half_a_minute(oidc: Shop, issuer: Issuer) -> None:
    now = int(time.time())
    assert oidc.history(issuer.token(exp=now - 10)).status_code == 200
    assert oidc.history(issuer.token(iat=now + 10, nbf=now + 10)).status_code == 200


def test_a_new_key_is_noticed_and_a_withdrawn_one_ends_after_ten_minutes(
    oidc: Shop, issuer: Issuer, pass_time: Any
) -> None:
    old = issuer.token()
    assert oidc.history(old).status_code == 200
    issuer.keys.pop("rsa")
    issuer.new_key("next")
    # Made-up ids don't have the issuer asked again and again.
    for number in range(5):
        made_up = issuer.token(f"made-up-{number}", key=issuer.keys["next"])
        assert oidc.history(made_up).status_code == 401
    assert issuer.asked == 1
    pass_time(31)
    assert oidc.history(issuer.token("next")).status_code == 200
    assert issuer.asked == 2
    assert oidc.history(old).status_code == 401


def test_the_keys_are_kept_for_ten_minutes_and_no_longer(
    oidc: Shop, issuer: Issuer, pass_time: Any
) -> None:
    withdrawn = issuer.token()
    assert oidc.history(withdrawn).status_code == 200
    issuer.keys.pop("rsa")
    pass_time(590)
    assert oidc.history(withdrawn).status_code == 200
    pass_time(20)
    assert oidc.history(withdrawn).status_code == 401


def _broken() -> bytes:
    raise RuntimeError("the issuer is broken")


@pytest.mark.parametrize(
    "answer",
    [lambda: b"<html>", lambda: b"\xff", lambda: b'{"keys": []}', lambda: b"", _broken],
    ids=["a page", "not text", "no keys", "nothing", "an error"],
)
def test_without_keys_nobody_is_let_in_and_what_is_paid_is_granted(
    oidc: Shop, issuer: Issuer, pass_time: Any, answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    bought = oidc.buy(oidc.client, **bearer(issuer.token()))
    issuer.answer = answer
    assert oidc.history(issuer.token()).status_code == 200, "the keys are still at hand"
    pass_time(601)
    away = oidc.buy(oidc.client, **bearer(issuer.token(sub="bob")))
    assert (away.status_code, away.headers["Retry-After"]) == (503, "10")
    assert away.content_type == "application/problem+json"
    assert "the issuer's keys can't be read" in caplog.text
    oidc.pay(bought)
    assert oidc.ledger() == {"alice": 1000}
    issuer.answer = issuer.key_set
    assert oidc.history(issuer.token()).status_code == 200


def test_an_issuer_that_is_gone_is_503(
    load_page: Any, urls: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with issuing() as issuer:
        monkeypatch.setenv("FLASK_OIDC_ISSUER", issuer.url)
        monkeypatch.setenv("FLASK_OIDC_AUDIENCE", AUDIENCE)
        monkeypatch.setenv("FLASK_OIDC_JWKS_URI", f"{issuer.url}/certs")
        page, _ = load_page(OIDC)
        token = issuer.token()
    for shop in open_shop(page):
        assert shop.history(token).status_code == 503
        assert shop.client.get(f"{PREFIX}/history").status_code == 401, "without a token"


@given(
    header=st.dictionaries(
        st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jku", "jwk", "x"]),
        st.one_of(
            st.sampled_from(["RS256", "ES256", "HS256", "none", "rsa", "ec", "JWT", "https://x"]),
            st.none() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=2),
        ),
    ),
    claims=st.one_of(
        st.dictionaries(
            st.sampled_from(["iss", "aud", "sub", "exp", "iat", "nbf"]),
            st.none() | st.integers() | st.text(max_size=5) | st.lists(st.text(max_size=3)),
        ),
        st.binary(max_size=20),
    ),
    signature=st.binary(max_size=70),
)
@short(150)
def test_whatever_is_sent_as_a_token_is_answered_with_401(
    oidc: Shop, header: Any, claims: Any, signature: bytes
) -> None:
    assert oidc.history(_by_hand(header, claims, signature)).status_code == 401


@contextlib.contextmanager
def _raw_server(then: Callable[[socket.socket], object]) -> Iterator[str]:
    """A server that reads a request and then does something to the connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held: list[socket.socket] = []

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    held.append(connection)
                    connection.recv(65536)
                    then(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/certs"
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
        for connection in held:
            connection.close()


def _cut_off(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.mark.parametrize("then", [_cut_off, lambda connection: None], ids=["cut off", "silent"])
def test_an_issuer_that_breaks_off_or_hangs_is_503(
    oidc: Shop, issuer: Issuer, monkeypatch: pytest.MonkeyPatch, then: Any
) -> None:
    with _raw_server(then) as url:
        monkeypatch.setattr(oidc.page.issuer_keys, "uri", url)
        monkeypatch.setattr(oidc.page.issuer_keys, "timeout", 0.3)
        assert oidc.history(issuer.token()).status_code == 503
    monkeypatch.setattr(oidc.page.issuer_keys, "uri", f"{issuer.url}/certs")
    monkeypatch.setattr(oidc.page.issuer_keys, "timeout", 30)
    assert oidc.history(issuer.token()).status_code == 200


def test_operators_are_let_in_by_their_role(oidc: Shop, issuer: Issuer) -> None:
    purchases = f"{PREFIX}/admin/purchases"
    roles = {"realm_access": {"roles": ["credits-operator", "user"]}}
    answers = [
        oidc.client.get(purchases, headers=bearer(token)).status_code
        for token in (issuer.token(**roles), issuer.token(), "no token")
    ]
    assert answers == [200, 403, 401]


def test_the_suite_of_the_page_about_an_issuer_passes(tmp_path: Path) -> None:
    code = [one.code for one in blocks(OIDC) if one.what == "run"]
    (tmp_path / "shop.py").write_text("\n\n".join(code))
    for one in blocks(OIDC):
        if one.what == "file":
            (tmp_path / one.name).write_text(one.code)
    told = run_suite(sys.executable, tmp_path)
    assert "2 passed" in told, told


@pytest.fixture
def jwt_extended(load_page: Any, urls: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setenv("FLASK_JWT_SECRET_KEY", new_signing_secret())
    page, _ = load_page(JWT_EXTENDED)
    yield from open_shop(page)


def own_token(shop: Shop, **given: Any) -> str:
    with shop.app.test_request_context():
        answer = shop.page.log_in(SimpleNamespace(id=given.pop("id", 7)))
        token: str = answer.json["access_token"]
        return create_access_token(**{"identity": "7"} | given) if given else token


def test_the_apps_own_tokens_buy(jwt_extended: Shop) -> None:
    token = own_token(jwt_extended)
    bought = jwt_extended.buy(jwt_extended.client, **bearer(token))
    jwt_extended.pay(bought)
    assert jwt_extended.ledger() == {"7": 1000}
    assert [row["status"] for row in jwt_extended.history(token).json] == ["completed"]
    assert jwt_extended.history(own_token(jwt_extended, id=8)).json == []


def _refresh_token(shop: Shop) -> str:
    with shop.app.test_request_context():
        return create_refresh_token("7")


def _foreign_token(shop: Shop) -> str:
    claims = jwt.decode(own_token(shop), options={"verify_signature": False})
    return jwt.encode(claims, new_signing_secret(), "HS256")


BAD_OWN_TOKENS = {
    "expired": lambda shop: own_token(shop, expires_delta=False, additional_claims={"exp": 1}),
    "to refresh": _refresh_token,
    "another secret's": _foreign_token,
    "a number as subject": lambda shop: own_token(shop, identity=7),
    "not a token": lambda shop: "let-me-in",
    "three words": lambda shop: "let me in",
    "deep nesting": lambda shop: _deep(Issuer()),
    "nothing": lambda shop: "",
}


@pytest.mark.parametrize("kind", list(BAD_OWN_TOKENS))
def test_no_other_token_buys_anything_from_the_app(jwt_extended: Shop, kind: str) -> None:
    refused = jwt_extended.buy(jwt_extended.client, **bearer(BAD_OWN_TOKENS[kind](jwt_extended)))
    assert (refused.status_code, refused.json["code"]) == (401, "unauthorized")
    assert jwt_extended.ledger() == {}


def test_a_revoked_token_is_refused(jwt_extended: Shop) -> None:
    token = own_token(jwt_extended)
    revoked: set[str] = set()
    jwt_extended.page.jwt.token_in_blocklist_loader(
        lambda header, payload: payload["jti"] in revoked
    )
    assert jwt_extended.history(token).status_code == 200
    revoked.add(jwt.decode(token, options={"verify_signature": False})["jti"])
    assert jwt_extended.history(token).status_code == 401


def test_a_token_in_a_cookie_buys_with_its_csrf_token_only(jwt_extended: Shop) -> None:
    shop = jwt_extended
    shop.app.config |= {"JWT_TOKEN_LOCATION": ["cookies"], "JWT_COOKIE_SECURE": False}

    @shop.app.post("/login")
    def login() -> Any:
        answer = shop.app.make_response("welcome")
        set_access_cookies(answer, create_access_token("7"))
        return answer

    client = shop.client
    assert client.post("/login").text == "welcome"
    csrf = client.get_cookie("csrf_access_token")
    assert csrf is not None
    assert shop.buy(client).status_code == 401
    bought = shop.buy(client, **{"X-CSRF-TOKEN": csrf.value})
    shop.pay(bought)
    assert shop.ledger() == {"7": 1000}


def test_the_forms_of_the_pages_bring_no_token_of_flask_jwt_extended(
    load_page: Any, urls: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIPE_CREDITS_PAGES", "/credits")
    monkeypatch.setenv("FLASK_JWT_SECRET_KEY", new_signing_secret())
    monkeypatch.setenv("FLASK_JWT_TOKEN_LOCATION", '["cookies"]')
    page, _ = load_page(JWT_EXTENDED)
    for shop in open_shop(page):
        client = shop.client
        with shop.app.test_request_context():
            client.set_cookie("access_token_cookie", create_access_token("7"))
        seen = client.get("/credits")
        assert seen.status_code == 200
        fields = dict(re.findall(r'name="(\w+)"[^>]* value="([^"]*)"', seen.text))
        (action,) = set(re.findall(r'<form[^>]* action="([^"]+)"', seen.text))
        assert client.post(action, data=fields).status_code == 401
        shop.app.config["JWT_COOKIE_CSRF_PROTECT"] = False
        assert client.post(action, data=fields).status_code == 303


def test_the_identity_alone_proves_nothing(
    jwt_extended: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    jwt_extended.page.credits.user_id_loader(get_jwt_identity)
    jwt_extended.app.config["PROPAGATE_EXCEPTIONS"] = False
    assert jwt_extended.history(own_token(jwt_extended)).status_code == 500
    assert "RuntimeError: You must call `@jwt_required" in caplog.text


def test_operators_are_let_in_by_their_claim(jwt_extended: Shop) -> None:
    role = {"role": "credits-operator"}
    answers = [
        jwt_extended.client.get(f"{PREFIX}/admin/purchases", headers=bearer(token)).status_code
        for token in (
            own_token(jwt_extended, additional_claims=role),
            own_token(jwt_extended),
            "x",
        )
    ]
    assert answers == [200, 403, 401]


@pytest.fixture(params=["", "confirmed"])
def flask_login(request: pytest.FixtureRequest, load_page: Any, urls: None) -> Iterator[Shop]:
    page, _ = load_page(FLASK_LOGIN, choice=request.param)
    yield from open_shop(page)


def _sign_in(shop: Shop) -> FlaskClient:
    client = shop.client
    with shop.app.app_context(), client.session_transaction() as session:
        session["_user_id"] = shop.page.db.session.get(shop.page.User, 1).session_token
    return client


def _change_user(shop: Shop, **values: Any) -> None:
    with shop.app.app_context():
        user = shop.page.db.session.get(shop.page.User, 1) or shop.page.User(id=1)
        for name, value in values.items():
            setattr(user, name, value)
        shop.page.db.session.add(user)
        shop.page.db.session.commit()


def test_purchases_outlive_the_session_token_that_flask_login_knows(flask_login: Shop) -> None:
    shop = flask_login
    _change_user(shop, confirmed=True)
    before = _sign_in(shop)
    shop.pay(shop.buy(before))
    _change_user(shop, session_token="changed with the password")
    assert shop.buy(before).status_code == 401, "that session has ended"
    (mine,) = _sign_in(shop).get(f"{PREFIX}/history").json
    assert mine["status"] == "completed"
    shop.stripe.refund(mine["stripe_payment_id"], 400)
    shop.stripe.deliver()
    with shop.app.app_context():
        entries = shop.page.db.session.scalars(shop.page.db.select(shop.page.LedgerEntry)).all()
    assert sorted((entry.user_id, entry.credits) for entry in entries) == [("1", -400), ("1", 1000)]


@pytest.mark.parametrize("flask_login", [""], indirect=True)
def test_the_loader_may_answer_with_an_error_of_its_own(flask_login: Shop) -> None:
    def forbid() -> None:
        raise Forbidden

    flask_login.page.credits.user_id_loader(forbid)
    assert flask_login.buy(flask_login.client).json["code"] == "forbidden"


@pytest.mark.parametrize("flask_login", ["confirmed"], indirect=True)
def test_whoever_is_not_confirmed_may_not_buy(flask_login: Shop) -> None:
    _change_user(flask_login, confirmed=False)
    assert flask_login.buy(_sign_in(flask_login)).status_code == 401
    _change_user(flask_login, confirmed=True)
    assert flask_login.buy(_sign_in(flask_login)).status_code == 201
