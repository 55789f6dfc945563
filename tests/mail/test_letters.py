"""Which mail a buyer gets for what happened to the money, as a mail server receives it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask_babel import Babel

from flask_stripe_credits.mail.letters import Kind, Letter, is_address, kind_of
from flask_stripe_credits.signals import grant_committed
from flask_stripe_credits.snapshots import GrantSnapshot

from ..hosts import Host
from ..payloads import checkout_session, dispute, event, refund
from .conftest import MailServer, MakeMailer, parts, sent


def paid_purchase(host: Host, **overrides: Any) -> dict[str, Any]:
    purchase = host.add_purchase(**overrides)
    assert host.pay(purchase).status_code == 200
    return host.purchase(purchase["id"])


def tell(host: Host, kind: str, what: dict[str, Any]) -> None:
    assert host.post_event(event(kind, what)).status_code == 200


def test_a_purchase_is_confirmed_with_its_details(mailer: Host, mail_server: MailServer) -> None:
    mailer.credits.balance_loader(mailer.balance)
    purchase = paid_purchase(mailer)
    (message,) = sent(mailer, mail_server)
    assert message["Subject"] == "Your purchase: Starter Pack"
    assert (message["To"], message["From"]) == ("alice@users.test", "Shop <credits@shop.test>")
    assert mail_server.recipients == ["alice@users.test"]
    (grant,) = mailer.grants()
    assert message["Message-ID"] == f"<purchase.{grant['id']}@local>"
    assert message["Auto-Submitted"] == "auto-generated"
    for part in parts(message):
        assert "1,000 credits are yours" in part
        assert "$10.00" in part
        assert str(purchase["id"]) in part
        assert purchase["stripe_payment_intent_id"] in part
        assert "This was a test" in part
    text, html = parts(message)
    assert "Your balance: 1,000 credits\n" in text
    assert "<strong>1,000 credits</strong>" in html
    mailer.assert_exact()


def test_the_address_is_neither_kept_nor_logged(
    mailer: Host, mail_server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    paid_purchase(mailer)
    (message,) = sent(mailer, mail_server)
    assert message["To"] == "alice@users.test"
    # The server's own log names whom it serves.
    ours = [record.getMessage() for record in caplog.records if "mail.log" not in record.name]
    assert "users.test" not in "\n".join(ours)
    stored = [host_rows(mailer, table) for table in mailer.db.metadata.sorted_tables]
    assert any(stored)
    assert "users.test" not in str(stored)


def host_rows(host: Host, table: sa.Table) -> list[Any]:
    with host.app.app_context(), host.db.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.select(table))]


def test_A01_one_grant_is_one_mail_however_often_the_event_comes(
    mailer: Host, mail_server: MailServer
) -> None:
    purchase = mailer.add_purchase()
    document = mailer.paid_event(purchase)
    for _ in range(3):
        assert mailer.post_event(document).status_code == 200
    tell(mailer, "checkout.session.async_payment_succeeded", checkout_session(purchase))
    assert len(sent(mailer, mail_server)) == 1
    assert mailer.ledger() == [1000]


def test_what_was_rolled_back_is_not_told(
    make_mailer: MakeMailer, database_url: str, mail_server: MailServer
) -> None:
    failing = True

    def book(grant: GrantSnapshot) -> None:
        if failing:
            raise RuntimeError("not now")

    host = make_mailer(database_url, receiver=book)
    purchase = host.add_purchase()
    assert host.pay(purchase).status_code == 503
    assert sent(host, mail_server) == []
    failing = False
    assert host.pay(purchase).status_code == 200
    assert len(sent(host, mail_server)) == 1


def test_in_the_outbox_mail_is_sent_once_and_without_an_old_balance(
    make_mailer: MakeMailer, database_url: str, mail_server: MailServer
) -> None:
    delivered: list[str] = []
    host = make_mailer(
        database_url,
        STRIPE_CREDITS_DELIVERY="outbox",
        receiver=lambda grant: delivered.append(grant.id),
    )
    host.credits.balance_loader(lambda user_id: 7)
    purchase = host.add_purchase()
    for _ in range(2):
        host.pay(purchase).close()
    with host.app.app_context():
        host.credits.deliver_due()
    (message,) = sent(host, mail_server)
    assert len(delivered) == 1
    assert "balance" not in parts(message)[0]


def test_money_that_goes_back_and_comes_again_is_told(
    mailer: Host, mail_server: MailServer
) -> None:
    purchase = paid_purchase(mailer)
    payment = purchase["stripe_payment_intent_id"]
    part = refund(payment, 400)
    tell(mailer, "refund.created", part)
    tell(mailer, "refund.failed", part | {"status": "failed"})
    lost = dispute(payment, 1000)
    tell(mailer, "charge.dispute.funds_withdrawn", lost)
    won = lost | dispute(payment, 1000, withdrawals=2, id=lost["id"], status="won")
    tell(mailer, "charge.dispute.closed", won)
    messages = sent(mailer, mail_server)
    assert [message["Subject"].partition(":")[0] for message in messages] == [
        "Your purchase",
        "Your refund",
        "Your credits are back",
        "Your payment was disputed",
        "Your credits are back",
    ]
    texts = [parts(message)[0] for message in messages]
    assert "400 credits were taken back" in texts[1]
    assert "Refunded: $4.00\nChange of your credits: \N{MINUS SIGN}400\n" in texts[1]
    assert "could not be paid out to you, so 400 credits are yours again" in texts[2]
    assert "A part of your purchase was refunded" in parts(messages[1])[1]
    assert "Refunded" not in texts[2]
    assert "So 1,000 credits were taken back too" in texts[3]
    assert "the payment stands, so 1,000 credits are yours again" in texts[4]
    assert mailer.ledger() == [1000, -400, 400, -1000, 1000]


def test_a_payment_that_failed_is_told_once(mailer: Host, mail_server: MailServer) -> None:
    purchase = mailer.add_purchase()
    session = checkout_session(purchase, payment_status="unpaid")
    tell(mailer, "checkout.session.completed", session)
    for _ in range(2):
        tell(mailer, "checkout.session.async_payment_failed", session)
    (message,) = sent(mailer, mail_server)
    assert message["Subject"] == "Your payment failed: Starter Pack"
    text, _ = parts(message)
    assert "you owe nothing" in text
    assert "Price: $10.00" in text
    assert "balance" not in text


def test_a_dismissed_purchase_is_not_told_as_unpaid(mailer: Host, mail_server: MailServer) -> None:
    """Its money may have been paid: what becomes of it is between the buyer and the operator."""
    purchase = mailer.add_purchase()
    mailer.pay(purchase, amount_subtotal=1, amount_total=1)
    args = ["credits", "review", "dismiss", str(purchase["id"]), "--reason", "x", "--by", "olivia"]
    result = mailer.app.test_cli_runner().invoke(args=args)
    assert result.exit_code == 0, result.output
    assert mailer.purchase(purchase["id"])["status"] == "failed"
    assert sent(mailer, mail_server) == []


def test_every_grant_has_a_kind_with_templates(small_mailer: Host) -> None:
    letters: list[Letter] = []
    small_mailer.credits.mail_sender(letters.append)
    paid_purchase(small_mailer)
    for sequence, reason, credits, kind in (
        (1, "purchase", 5, Kind.PURCHASE),
        (2, "refund", -5, Kind.REFUND),
        (3, "refund_failed", 5, Kind.RESTORED),
        (2, "dispute", -5, Kind.DISPUTE),
        (3, "dispute_won", 5, Kind.RESTORED),
        (2, "review", 5, Kind.CORRECTED),
        (2, "review", -5, Kind.CORRECTED),
        (2, "something_new", -5, Kind.CORRECTED),
    ):
        grant = replace(small_mailer.received[0], sequence=sequence, reason=reason, credits=credits)
        assert kind_of(grant) is kind
        with small_mailer.app.app_context():
            grant_committed.send(small_mailer.app, purchase=grant.purchase, grant=grant)
        letter = letters[-1]
        assert letter.kind == kind
        assert letter.subject
        for part in (letter.text, letter.html):
            assert "5 credits" in part
            assert "%(" not in part
            assert "None" not in part


def test_one_credit_is_one_credit(small_mailer: Host, mail_server: MailServer) -> None:
    paid_purchase(small_mailer, amount_credits=1)
    assert "1 credit is yours" in parts(sent(small_mailer, mail_server)[0])[0]


# Words that somebody else chose.


def test_F08_a_package_name_can_neither_begin_a_header_nor_run_as_HTML(
    small_mailer: Host, mail_server: MailServer
) -> None:
    name = "Pack\r\nBcc: all@users.test\r\n\r\n<script>x</script>\u2028" + "y" * 200
    paid_purchase(small_mailer, package_name=name)
    (message,) = sent(small_mailer, mail_server)
    assert mail_server.recipients == ["alice@users.test"]
    assert message["Bcc"] is None
    assert message["Subject"].startswith("Your purchase: Pack Bcc: all@users.test <script>")
    assert len(message["Subject"]) <= 200
    text, html = parts(message)
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "\nBcc:" not in text


NO_ADDRESSES: list[Any] = [
    "",
    "alice",
    "alice@users.test\nBcc: all@users.test",
    "alice@users.test, bob@users.test",
    "Alice <alice@users.test>",
    "alice@users.test\x00",
    "alice @users.test",
    "@users.test",
    "a@b@c",
    b"alice@users.test",
    7,
]


def test_F08_only_a_plain_address_gets_mail(
    small_mailer: Host, mail_server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    for address in NO_ADDRESSES:
        assert not is_address(address)
    small_mailer.credits.user_email_loader(lambda user_id: NO_ADDRESSES[2])
    paid_purchase(small_mailer)
    assert sent(small_mailer, mail_server) == []
    assert small_mailer.ledger() == [1000]
    assert "gave no plain address" in caplog.text
    assert "users.test" not in caplog.text


def test_addresses_beyond_ASCII_are_addresses() -> None:
    assert is_address("jürgen@straße.test")


# What a host makes its own.


def test_hosts_replace_templates_and_blocks(
    make_mailer: MakeMailer,
    new_database: Callable[[str], str],
    tmp_path: Path,
    mail_server: MailServer,
) -> None:
    folder = tmp_path / "flask_stripe_credits" / "mail"
    folder.mkdir(parents=True)
    (folder / "purchase.subject.txt").write_text("Danke, {{ purchase.user_id }}!")
    (folder / "layout.html").write_text(
        "<p>{{ config.SHOP }}</p>{% block title %}{% endblock %}"
        "{% block content %}{% endblock %}<i>{{ purchase.package_name }}</i>"
    )
    host = make_mailer(new_database("sqlite"), SHOP="Shop <&> Co")
    host.app.template_folder = str(tmp_path)
    paid_purchase(host)
    (message,) = sent(host, mail_server)
    assert message["Subject"] == "Danke, alice!"
    text, html = parts(message)
    assert html.startswith("<p>Shop &lt;&amp;&gt; Co</p>")
    assert "<i>Starter Pack</i>" in html
    assert "Package: Starter Pack" in text


def test_words_and_amounts_are_those_of_the_hosts_language(
    small_mailer: Host, mail_server: MailServer
) -> None:
    Babel(small_mailer.app, default_locale="de")
    paid_purchase(small_mailer)
    text, html = parts(sent(small_mailer, mail_server)[0])
    assert "10,00\N{NO-BREAK SPACE}$" in text
    assert "1.000 Credits gehören Ihnen" in text
    assert '<html lang="de">' in html


def test_the_history_is_linked_where_there_are_pages(
    make_mailer: MakeMailer, new_database: Callable[[str], str], mail_server: MailServer
) -> None:
    host = make_mailer(
        new_database("sqlite"),
        STRIPE_CREDITS_PAGES="/credits",
        STRIPE_CREDITS_BASE_URL="https://shop.test/app",
    )
    paid_purchase(host, livemode=False)
    text, html = parts(sent(host, mail_server)[0])
    assert "https://shop.test/app/credits/history\n" in text
    assert 'href="https://shop.test/app/credits/history"' in html
    assert host.client.get("/credits/history").status_code == 200
