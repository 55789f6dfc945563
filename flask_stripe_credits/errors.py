"""One tree of exceptions. Each leaf is named for the rule that was broken and carries its data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class StripeCreditsError(Exception):
    """Root of everything that this package raises on purpose."""


class ConfigurationError(StripeCreditsError):
    """Settings or calls that contradict each other, found in ``init_app`` or when registering."""


class NotConfigured(StripeCreditsError):
    """A setting is missing or a placeholder, noticed at first use.

    :ivar key: the name of the setting.
    """

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"{key} {problem}")
        self.key = key


class TablesOutOfDate(StripeCreditsError):
    """The tables of this package are missing or not at the newest revision."""


class MigrationRefused(StripeCreditsError):
    """The tables of this package can't be migrated as asked; nothing was changed."""


class CatalogError(StripeCreditsError):
    """Something about the packages is wrong."""


class PackageNotFound(CatalogError):
    """No active package has this code.

    :ivar package_code: as it was asked for.
    """

    def __init__(self, package_code: str) -> None:
        super().__init__(f"no active package has the code {package_code!r}")
        self.package_code = package_code


class NoSuchPackage(PackageNotFound):
    """No package has this code, whether it is for sale or not."""

    def __init__(self, package_code: str) -> None:
        super().__init__(package_code)
        self.args: tuple[object, ...] = (
            f"there is no package {package_code!r}: `flask credits packages list` shows all",
        )


class PackageExists(CatalogError):
    """Another package has this code already, and says something else; nothing was changed.

    :ivar package_code: as it was asked for.
    """

    def __init__(self, package_code: str) -> None:
        super().__init__(f"there is a package {package_code!r} already, and it is another one")
        self.package_code = package_code


class InvalidPackage(CatalogError):
    """A package can't be what was asked for; nothing was changed.

    :ivar problems: field → one line that names the field and what is right.
    """

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("\n".join(problems.values()))
        self.problems: dict[str, str] = dict(problems)


class InvalidCatalog(CatalogError):
    """A file of packages has mistakes; nothing of it was loaded.

    :ivar problems: one line each, naming the package, the field and what is right.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems: tuple[str, ...] = tuple(problems)


class CheckoutError(StripeCreditsError):
    """A purchase can't be opened."""


class RedirectNotAllowed(CheckoutError):
    """A return address is missing or leads somewhere that the settings don't allow.

    :ivar field: ``success_url`` or ``cancel_url``.
    :ivar url: as it was asked for.
    """

    def __init__(self, field: str, url: str, problem: str) -> None:
        super().__init__(f"{field} {problem}")
        self.field = field
        self.url = url


class TooManySessions(CheckoutError):
    """The user opened too many checkouts in the last hour.

    :ivar retry_after_seconds: whole seconds until the next one is allowed.
    """

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__("too many checkouts were opened in the last hour")
        self.retry_after_seconds = retry_after_seconds


class PackageChanged(CheckoutError):
    """The package isn't sold for what the buyer saw any more. Nothing was written.

    :ivar package_code: what was asked for.
    """

    def __init__(self, package_code: str) -> None:
        super().__init__(f"package {package_code!r} isn't sold for what the buyer saw any more")
        self.package_code = package_code


class KeyReused(CheckoutError):
    """The idempotency key already names a purchase of another request body, or other mode."""


class KeyInFlight(CheckoutError):
    """The purchase that this idempotency key names is being opened right now.

    :ivar retry_after_seconds: whole seconds until its lease ends.
    """

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__("a request with this idempotency key is still in progress")
        self.retry_after_seconds = retry_after_seconds


class GatewayError(StripeCreditsError):
    """Stripe didn't do what we asked.

    :ivar code: Stripe's error code, or None.
    :ivar request_id: Stripe's request id, or None.
    """

    def __init__(
        self, message: str, *, code: str | None = None, request_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.request_id = request_id


class GatewayUnavailable(GatewayError):
    """Stripe can't be reached, is rate limiting us or answered 5xx: worth another try.

    :ivar answered: Stripe answered with an error that it may keep under the idempotency key,
        so that the next try needs another key.
    :ivar retry_after_seconds: how long Stripe wants to be left alone, if it said so.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        request_id: str | None = None,
        answered: bool = False,
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(message, code=code, request_id=request_id)
        self.answered = answered
        self.retry_after_seconds = retry_after_seconds


class GatewayRejected(GatewayError):
    """Stripe refused our parameters, or its answer isn't what we asked for."""


class GatewayOtherMode(GatewayRejected):
    """The object is one of the other mode: a live one with a test key, or the other way round.

    :ivar livemode: whether it is live.
    """

    def __init__(
        self, livemode: bool, *, code: str | None = None, request_id: str | None = None
    ) -> None:
        theirs, ours = ("live", "test") if livemode else ("test", "live")
        super().__init__(
            f"Stripe has it in {theirs} mode, and the API key is a {ours} key",
            code=code,
            request_id=request_id,
        )
        self.livemode = livemode


class GatewayKeyRefused(GatewayRejected):
    """Stripe refused our API key.

    :ivar permission: what a restricted key lacks, such as ``the permission rak_refund_read``; None
        when it is the key itself that was refused.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        request_id: str | None = None,
        permission: str | None = None,
    ) -> None:
        super().__init__(message, code=code, request_id=request_id)
        self.permission = permission


class RebuildRefused(StripeCreditsError):
    """A purchase can't be made again from what was typed; nothing was written."""


class DemoDataRefused(StripeCreditsError):
    """Made-up purchases would come where real ones are; nothing was written."""


class RefundRefused(StripeCreditsError):
    """Money can't be given back as asked; nothing went back."""


class ReplayRefused(StripeCreditsError):
    """An event can't be replayed; nothing was done. Says what to do instead."""


class WebhookError(StripeCreditsError):
    """A webhook delivery that can't be taken."""


class InvalidSignature(WebhookError):
    """The body isn't signed with one of our secrets, or the signature is too old or too new."""


class MalformedEvent(WebhookError):
    """The body is not a Stripe event that this endpoint understands."""


class PayloadTooLarge(WebhookError):
    """The body or its signature header is larger than any real one."""


class FulfillmentError(StripeCreditsError):
    """Credits are due and could not be handed over; nothing was kept."""


class ReceiverFailed(FulfillmentError):
    """A receiver raised, or ended the transaction that it was called in."""


class RefundUnrecorded(FulfillmentError):
    """Stripe gives the money back, but the credits couldn't be taken back yet.

    :ivar refund_id: Stripe's id of the refund.
    """

    def __init__(self, refund_id: str, problem: str) -> None:
        super().__init__(
            f"Stripe made refund {refund_id}, which could not be recorded yet ({problem}): its "
            f"webhook will, or do the same again"
        )
        self.refund_id = refund_id


class NoReceiver(FulfillmentError):
    """Credits are due and nobody listens.

    :ivar signal_name: the signal that needs a receiver.
    """

    def __init__(self, signal_name: str) -> None:
        super().__init__(
            f"credits are due but no receiver is connected to {signal_name}; "
            f"connect one with @credits.on_grant or @credits.on_{signal_name}"
        )
        self.signal_name = signal_name


class InvalidFilter(StripeCreditsError):
    """A search for purchases asks for what can't be.

    :ivar field: the name of the filter, such as ``user_id``.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field} {problem}")
        self.field = field


class ReviewError(StripeCreditsError):
    """What an operator decided can't be, or was decided before; nothing was changed."""


class MailFailed(StripeCreditsError):
    """A mail could not be sent; nothing else depends on it."""


class DatabaseBusy(StripeCreditsError):
    """The database refused the transaction several times (locks, deadlocks, lost connection)."""


class Refuse(StripeCreditsError):
    """Raised by a host's receiver that can never accept this grant, e.g. the user was deleted.

    No grant is written and the purchase goes to review.

    :ivar reason: for the operator; what a database can't hold is replaced by ``?``.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason: str = str(reason).replace("\0", "?").encode("utf-8", "replace").decode()
