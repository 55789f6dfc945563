from __future__ import annotations

import inspect

import pytest

from flask_stripe_credits import errors
from flask_stripe_credits.errors import StripeCreditsError

TREE = {
    errors.CatalogError: {
        errors.PackageNotFound,
        errors.NoSuchPackage,
        errors.PackageExists,
        errors.InvalidCatalog,
        errors.InvalidPackage,
    },
    errors.CheckoutError: {
        errors.RedirectNotAllowed,
        errors.PackageChanged,
        errors.TooManySessions,
        errors.KeyReused,
        errors.KeyInFlight,
    },
    errors.GatewayError: {
        errors.GatewayUnavailable,
        errors.GatewayRejected,
        errors.GatewayKeyRefused,
        errors.GatewayOtherMode,
    },
    errors.WebhookError: {errors.InvalidSignature, errors.MalformedEvent, errors.PayloadTooLarge},
    errors.FulfillmentError: {errors.ReceiverFailed, errors.NoReceiver, errors.RefundUnrecorded},
}
CLASSES = [
    value
    for _, value in inspect.getmembers(errors, inspect.isclass)
    if value.__module__ == errors.__name__
]


@pytest.mark.parametrize("error", CLASSES, ids=lambda error: error.__name__)
def test_every_error_has_the_one_root_and_says_what_it_means(error: type[Exception]) -> None:
    assert issubclass(error, StripeCreditsError)
    assert error.__doc__


@pytest.mark.parametrize("branch", TREE, ids=lambda error: error.__name__)
def test_the_tree_has_these_branches(branch: type[Exception]) -> None:
    assert {error for error in CLASSES if issubclass(error, branch)} - {branch} == TREE[branch]


def test_errors_carry_the_data_that_an_answer_needs() -> None:
    assert errors.NotConfigured("STRIPE_SECRET_KEY", "isn't set").key == "STRIPE_SECRET_KEY"
    assert errors.PackageNotFound("gold").package_code == "gold"
    assert errors.TooManySessions(7).retry_after_seconds == 7
    assert errors.KeyInFlight(30).retry_after_seconds == 30
    assert errors.NoReceiver("purchase_completed").signal_name == "purchase_completed"
    assert errors.Refuse("user deleted").reason == "user deleted"
    redirect = errors.RedirectNotAllowed("success_url", "//evil", "isn't allowed")
    assert (redirect.field, redirect.url) == ("success_url", "//evil")
    unavailable = errors.GatewayUnavailable("down", code="lock_timeout", request_id="req_1")
    assert (unavailable.code, unavailable.request_id) == ("lock_timeout", "req_1")
    assert unavailable.answered is False


def test_F15_messages_show_hostile_text_escaped() -> None:
    assert "\n" not in str(errors.PackageNotFound("gold\nINFO all is well"))
    assert "//evil" not in str(errors.RedirectNotAllowed("success_url", "//evil", "isn't allowed"))
