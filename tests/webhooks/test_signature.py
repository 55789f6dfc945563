from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_stripe_credits.credentials import Secret
from flask_stripe_credits.errors import InvalidSignature, PayloadTooLarge
from flask_stripe_credits.webhooks import signature
from flask_stripe_credits.webhooks.signature import (
    LONGEST_HEADER,
    MOST_SIGNATURES,
    verify_signature,
)

from ..hosts import Host, make_host
from ..payloads import encode, new_secret, sign
from ..profiles import short
from .hostile import BAD_SIGNATURES, Delivery, nothing_written, post


def _unsigned_parts(header: str) -> tuple[str, str]:
    timestamp, _, value = header.partition(",")
    return timestamp, value


class TestWhatIsRefused:
    @pytest.mark.parametrize("make", BAD_SIGNATURES.values(), ids=BAD_SIGNATURES)
    def test_I7_E29_nothing_is_written_and_the_answer_is_always_the_same(
        self, shared_host: Host, user: str, make: Callable[[bytes, str], Delivery]
    ) -> None:
        host = shared_host
        good = encode(host.paid_event(host.add_purchase(user_id=user)))
        with nothing_written(host):
            answer = post(host, *make(good, host.webhook_secret))
            plainly_wrong = post(host, good, "t=1,v1=" + "0" * 64)
        assert (answer.status_code, answer.mimetype) == (400, "application/problem+json")
        assert answer.data == plainly_wrong.data, "E27: the text tells attackers nothing"
        assert (host.ledger(user), host.grants(user_id=user)) == ([], [])
        assert host.post_body(good).status_code == 200, "the body itself is good"
        assert host.ledger(user) == [1000]

    def test_I7_E29_no_row_is_written_on_PostgreSQL_either(self, postgres_host: Host) -> None:
        body = encode(postgres_host.paid_event(postgres_host.add_purchase()))
        with nothing_written(postgres_host):
            for make in BAD_SIGNATURES.values():
                delivery = make(body, postgres_host.webhook_secret)
                assert post(postgres_host, *delivery).status_code == 400
        assert postgres_host.ledger() == []

    @short(60)
    @given(st.data())
    def test_E07_any_flipped_bit_of_body_or_header_is_refused(
        self, sqlite_host: Host, data: st.DataObject
    ) -> None:
        host = sqlite_host
        purchase = host.purchases()[0] if host.purchases() else host.add_purchase()
        body = encode(host.paid_event(purchase))
        header = sign(body, host.webhook_secret).encode()
        whole = body + header
        bit = data.draw(st.integers(0, len(whole) * 8 - 1), "bit")
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        with nothing_written(host):
            answer = post(host, bytes(flipped[: len(body)]), flipped[len(body) :].decode("latin-1"))
        assert answer.status_code == 400
        assert host.ledger() == []

    @settings(deadline=None)
    @given(header=st.text(st.characters(max_codepoint=255), max_size=200), body=st.binary())
    def test_E04_E05_E06_no_header_and_no_body_raises_anything_else(
        self, header: str, body: bytes
    ) -> None:
        with pytest.raises(InvalidSignature):
            verify_signature(body, header, [Secret(new_secret())], 300)

    def test_E27_nothing_of_the_request_is_echoed(self, sqlite_host: Host) -> None:
        answer = post(sqlite_host, b'{"id": "<script>"}', "t=1,v1=<script>")
        assert b"script" not in answer.data


class TestTime:
    NOW = 1_800_000_000.0

    @pytest.fixture(autouse=True)
    def _stopped_clock(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(signature.time, "time", lambda: self.NOW)

    @pytest.mark.parametrize("tolerance", [1, 300, 3600])
    @pytest.mark.parametrize("side", [-1, 1])
    def test_E08_E09_the_tolerance_holds_both_ways(self, tolerance: int, side: int) -> None:
        secret = new_secret()

        def verify(age: int) -> None:
            header = sign(b"{}", secret, at=self.NOW + side * age)
            verify_signature(b"{}", header, [Secret(secret)], tolerance)

        verify(0)
        verify(tolerance)
        with pytest.raises(InvalidSignature):
            verify(tolerance + 1)

    def test_C26_a_wrong_clock_is_named_with_the_age(
        self, sqlite_host: Host, caplog: pytest.LogCaptureFixture
    ) -> None:
        body = b"{}"
        header = sign(body, sqlite_host.webhook_secret, at=self.NOW - 4_000)
        assert post(sqlite_host, body, header).status_code == 400
        assert "4000 s old" in caplog.text
        assert "clock" in caplog.text

    def test_a_bad_signature_is_never_called_a_wrong_clock(self) -> None:
        header = sign(b"{}", new_secret(), at=self.NOW - 4_000)
        with pytest.raises(InvalidSignature, match="no signature matches"):
            verify_signature(b"{}", header, [Secret(new_secret())], 300)


def test_E08_the_configured_tolerance_is_used(new_database: Callable[[str], str]) -> None:
    host = make_host(new_database("sqlite"), STRIPE_CREDITS_WEBHOOK_TOLERANCE_SECONDS=3000)
    body = encode(host.paid_event(host.add_purchase()))
    for age, status in ((-3010, 400), (3010, 400), (-2900, 200), (2900, 200)):
        header = sign(body, host.webhook_secret, at=time.time() + age)
        assert post(host, body, header).status_code == status
    assert host.ledger() == [1000]


def test_E10_a_replay_within_the_tolerance_grants_nothing_more(host: Host) -> None:
    body = encode(host.paid_event(host.add_purchase()))
    header = sign(body, host.webhook_secret)
    assert [post(host, body, header).status_code for _ in range(3)] == [200] * 3
    assert host.ledger() == [1000]


class TestSeveralSecrets:
    OLD, NEW = new_secret(), new_secret()

    @pytest.mark.parametrize(
        ("configured", "signed_with"),
        [
            pair
            for pair in itertools.product(
                [(OLD,), (NEW,), (OLD, NEW), (NEW, OLD)], [(OLD,), (NEW,), (OLD, NEW), (NEW, OLD)]
            )
            if set(pair[0]) & set(pair[1])
        ],
    )
    def test_E12_one_secret_in_common_is_enough(
        self, configured: tuple[str, ...], signed_with: tuple[str, ...]
    ) -> None:
        headers = [_unsigned_parts(sign(b"{}", secret)) for secret in signed_with]
        header = ",".join([headers[0][0], *(value for _, value in headers)])
        verify_signature(b"{}", header, [Secret(secret) for secret in configured], 300)

    @pytest.mark.parametrize(
        ("configured", "signed_with"), [(OLD, NEW), (NEW, OLD)], ids=["to old", "to new"]
    )
    def test_E12_no_secret_in_common_is_refused(self, configured: str, signed_with: str) -> None:
        with pytest.raises(InvalidSignature):
            verify_signature(b"{}", sign(b"{}", signed_with), [Secret(configured)], 300)

    def test_E12_the_log_says_that_the_second_secret_matched(
        self, new_database: Callable[[str], str], caplog: pytest.LogCaptureFixture
    ) -> None:
        host = make_host(
            new_database("sqlite"), STRIPE_WEBHOOK_SECRET_CREDITS=f"{self.OLD},{self.NEW}"
        )
        first, second = host.add_purchase(), host.add_purchase()
        with caplog.at_level(logging.INFO):
            host.webhook_secret = self.OLD
            assert host.pay(first).status_code == 200
            assert "secret number" not in caplog.text
            host.webhook_secret = self.NEW
            assert host.pay(second).status_code == 200
        assert "webhook signed with secret number 2" in caplog.messages
        assert host.ledger() == [1000, 1000]


class TestCost:
    """E13: what strangers send costs next to nothing."""

    @pytest.fixture
    def digests(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        made: list[int] = []
        real = signature.hmac.digest

        def count(key: bytes, message: bytes, digest: str) -> bytes:
            made.append(len(message))
            return real(key, message, digest)

        monkeypatch.setattr(signature.hmac, "digest", count)
        return made

    def test_E13_a_huge_header_is_refused_before_any_digest(
        self, sqlite_host: Host, digests: list[int]
    ) -> None:
        body = encode(sqlite_host.paid_event(sqlite_host.add_purchase()))
        with nothing_written(sqlite_host):
            good = sign(body, sqlite_host.webhook_secret)
            digests.clear()
            for header in (
                "v1=0," * 100_000 + good,
                good + "," + "x" * LONGEST_HEADER,
                "t=" + "1" * 1_000_000,
            ):
                answer = post(sqlite_host, body, header)
                assert answer.status_code == 413
                assert answer.mimetype == "application/problem+json"
        assert digests == []

    def test_E13_many_signatures_cost_one_digest_a_secret(self, digests: list[int]) -> None:
        secrets = [new_secret(), new_secret()]
        timestamp, good = _unsigned_parts(sign(b"{}", secrets[1]))
        digests.clear()
        header = f"{timestamp}," + f"v1={'0' * 64}," * (MOST_SIGNATURES - 1) + good
        verify_signature(b"{}", header, [Secret(secret) for secret in secrets], 300)
        assert len(digests) == 2

    def test_E13_the_longest_header_is_still_read(self) -> None:
        secret = new_secret()
        header = sign(b"{}", secret)
        padded = header + ",v0=" + "f" * (LONGEST_HEADER - len(header) - 4)
        assert len(padded) == LONGEST_HEADER
        verify_signature(b"{}", padded, [Secret(secret)], 300)
        with pytest.raises(PayloadTooLarge):
            verify_signature(b"{}", padded + "f", [Secret(secret)], 300)


def test_other_schemes_beside_ours_are_ignored() -> None:
    secret = new_secret()
    header = sign(b"{}", secret) + ",v0=" + "0" * 64 + ",v2=later,novalue,="
    verify_signature(b"{}", header, [Secret(secret)], 300)
