"""The webhook endpoint: as Stripe has it, and as the running app answers there."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from ..config import WEBHOOK_SECRET
from ..errors import GatewayKeyRefused
from ..origins import LOOPBACK_HOSTS
from ..stripe_objects import WebhookEndpoint
from ..webhook_endpoints import Kind, compare, ours, secret_of, wanted_endpoint
from ..webhooks.handlers import HANDLERS
from ..webhooks.probe import probe
from .dot_env import how_to_set
from .findings import Finding, error, ok, skipped, warning
from .patient import Patient

_PROBE_SECONDS = 3.5
_NO_ADDRESS = "not checked because the app's address isn't known: see redirects, or say --url"
_MENDED_BY_CREATE = (Kind.DISABLED, Kind.MISSING_EVENTS)


def at_stripe(patient: Patient) -> Iterator[Finding]:
    """Will Stripe tell us all that we want to know?"""
    url = patient.public_url
    if url is None:
        yield skipped(_NO_ADDRESS)
        return
    settings = patient.state.settings
    if settings.api_base is None and urlsplit(url).hostname in LOOPBACK_HOSTS:
        yield warning(
            f"Stripe can't reach {url}",
            f"forward events to this machine: `stripe listen --forward-to {url}`, whose secret "
            f"for {WEBHOOK_SECRET} `stripe listen --print-secret` tells",
        )
        return
    try:
        endpoints = patient.state.gateway.list_webhook_endpoints()
    except GatewayKeyRefused as refused:
        yield skipped(f"not checked because the key lacks {refused.permission or 'validity'}")
        return
    found = ours(endpoints, url)
    if not found:
        yield _missing(patient, url, endpoints)
        return
    findings = [*_differences(patient, found[0], url), *_secrets(patient, found)]
    yield from findings or [ok(f"{found[0].id} sends what is handled to {url}")]


def _missing(patient: Patient, url: str, endpoints: list[WebhookEndpoint]) -> Finding:
    elsewhere = [one for one in endpoints if one.site == patient.state.settings.site]
    told = f"Stripe has no endpoint for {url}"
    if elsewhere:
        told += f"; {elsewhere[0].id} of this site sends to {elsewhere[0].url}"
    command = patient.command("webhook create --write-env .env")
    return error(told, f"it writes {WEBHOOK_SECRET} into .env: restart the app with that", command)


def _differences(patient: Patient, endpoint: WebhookEndpoint, url: str) -> Iterator[Finding]:
    wanted = wanted_endpoint(patient.state.settings, url, HANDLERS)
    for difference in compare(endpoint, wanted):
        told = f"{endpoint.id}: {difference.message}"
        if difference.kind in _MENDED_BY_CREATE:
            yield error(told, command=patient.command("webhook create"))
        elif difference.kind is Kind.API_VERSION:
            yield warning(
                told,
                "Stripe can't change it: make another endpoint, which ends with `--finish`",
                patient.command("webhook rotate --write-env .env"),
            )
        elif difference.kind is not Kind.EXTRA_EVENTS:
            yield error(told, "delete it, and make one at the app's address")
        elif patient.livemode:
            yield warning(told, "untick them in the Dashboard: each costs an answer")


def _secrets(patient: Patient, found: list[WebhookEndpoint]) -> Iterator[Finding]:
    """Stripe never tells a secret again; what `webhook create` left there is its fingerprint."""
    newest, *older = found
    if _is_known(patient, newest) is False:
        told = f"the secret of {newest.id} isn't in {WEBHOOK_SECRET}"
        use = how_to_set(patient, WEBHOOK_SECRET) or (
            f"put the one that was handed over into {WEBHOOK_SECRET}, and restart the app"
        )
        lost = patient.command("webhook rotate --write-env .env" + (" --again" if older else ""))
        if older:
            yield error(f"{told}: a rotation was begun", f"{use}; if it is lost: `{lost}`")
            return
        yield error(told, f"{use}; if it is lost, this makes another one", lost)
    if older:
        unknown = [one.id for one in older if _is_known(patient, one) is False]
        gone = f", and the secret of {unknown[0]} isn't configured any more" if unknown else ""
        yield warning(
            f"{len(found)} endpoints have this address, so that every event comes {len(found)} "
            f"times, which moves no credit twice{gone}",
            "a rotation ends when the app was restarted with the new secret",
            patient.command("webhook rotate --finish"),
        )


def _is_known(patient: Patient, endpoint: WebhookEndpoint) -> bool | None:
    """Whether the endpoint's secret is configured; None when nobody can tell."""
    if endpoint.secret_fingerprint is None:
        return None
    return secret_of(endpoint, patient.state.settings.webhook_secrets) is not None


def running_app(patient: Patient) -> Iterator[Finding]:
    """Does the running app accept what is signed with the configured secrets?"""
    url, settings = patient.reachable_url, patient.state.settings
    if url is None:
        yield skipped(_NO_ADDRESS)
        return
    livemode = settings.require_livemode()
    for number, secret in enumerate(settings.webhook_secrets[:2]):
        answer = probe(url, secret, livemode=livemode, timeout_seconds=_PROBE_SECONDS)
        answered = "nothing" if answer.status is None else str(answer.status)
        if answer.verdict is not None:
            answered += f" {answer.verdict}"
        told = f"{url} answered {answered} to an event signed with …{secret.last4}"
        elsewhere = urlsplit(url).hostname not in LOOPBACK_HOSTS
        if answer.accepted:
            yield ok(told)
        elif number or (answer.status is None and elsewhere):
            yield warning(told, answer.meaning)
        else:
            yield error(told, answer.meaning)
