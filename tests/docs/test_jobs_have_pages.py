"""Each job that a host has to do has a how-to, and a newcomer finds it under a caption."""

from __future__ import annotations

import re

import pytest

from .pages import read

# What the project promises to explain, and where it does.
JOBS = {
    "embed in an existing app": "embed",
    "an app of several modules": "lay-out-a-package",
    "users of Flask-Login": "connect-flask-login",
    "users of Flask-JWT-Extended": "connect-flask-jwt-extended",
    "users of Keycloak or another issuer": "connect-an-openid-issuer",
    "credits in the same database": "keep-a-ledger",
    "credits in another database": "deliver-to-another-database",
    "credits over HTTP": "deliver-to-another-service",
    "credits by Celery": "run-with-celery",
    "define packages": "define-packages",
    "deploy": "deploy",
    "go live": "go-live",
    "upgrade": "upgrade",
    "create the webhook": "set-up-the-webhook",
    "rotate the webhook's secret": "rotate-the-webhook-secret",
    "refund": "refund-a-purchase",
    "refunds and disputes in the host": "handle-refunds-and-disputes",
    "disputes": "answer-a-dispute",
    "reconcile": "reconcile",
    "reconcile from cron": "run-jobs-by-cron",
    "monitor and alert": "monitor-and-alert",
    "test": "test-your-app",
    "restyle the pages": "restyle-the-pages",
    "Stripe's command-line client": "try-with-stripe-cli",
    "troubleshoot": "troubleshoot",
}


def captioned() -> dict[str, str]:
    """How-to page → the caption under which the index lists it."""
    found = {}
    for caption, names in re.findall(
        r"^```\{toctree\}\n:caption: (How-to[^\n]*)\n.*?\n\n(.*?)^```",
        read("index.md"),
        re.MULTILINE | re.DOTALL,
    ):
        for name in names.split():
            found[name.removeprefix("how-to/")] = caption
    return found


@pytest.mark.parametrize("job", JOBS)
def test_every_job_has_its_page(job: str) -> None:
    page = JOBS[job]
    assert page in captioned()
    text = read(f"how-to/{page}.md")
    assert len(text.split()) > 150, "a page says how, not only that"


def test_no_caption_has_more_than_a_newcomer_reads_through() -> None:
    captions = list(captioned().values())
    assert len(set(captions)) >= 5
    assert max(captions.count(caption) for caption in captions) <= 12
