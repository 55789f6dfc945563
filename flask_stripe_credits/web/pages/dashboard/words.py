"""How statuses, reasons and verdicts are called, and which tone their chips have."""

from __future__ import annotations

from ....facts import PurchaseStatus, Verdict
from ..texts import text

_STATUS_TONES: dict[str, str] = {
    PurchaseStatus.COMPLETED: "good",
    PurchaseStatus.PROCESSING: "wait",
    PurchaseStatus.REVIEW: "wait",
    PurchaseStatus.FAILED: "bad",
    PurchaseStatus.DISPUTED: "bad",
    PurchaseStatus.REFUNDED: "accent",
}
_VERDICT_TONES: dict[str, str] = {
    Verdict.HANDLED: "good",
    Verdict.REVIEW: "wait",
    Verdict.ORPHAN: "wait",
    Verdict.FAILED: "bad",
}


def status_word(status: str) -> str:
    """A purchase's status, for operators."""
    words: dict[str, str] = {
        PurchaseStatus.PENDING: text("Open"),
        PurchaseStatus.PROCESSING: text("Processing"),
        PurchaseStatus.COMPLETED: text("Completed"),
        PurchaseStatus.FAILED: text("Failed"),
        PurchaseStatus.EXPIRED: text("Expired"),
        PurchaseStatus.REFUNDED: text("Refunded"),
        PurchaseStatus.DISPUTED: text("Disputed"),
        PurchaseStatus.REVIEW: text("In review"),
    }
    return words.get(status, status)


def status_tone(status: str) -> str:
    """The tone of :func:`status_word`'s chip."""
    return _STATUS_TONES.get(status, "quiet")


def verdict_word(verdict: str) -> str:
    """What became of an event."""
    words: dict[str, str] = {
        Verdict.HANDLED: text("Handled"),
        Verdict.KEPT: text("Kept for later"),
        Verdict.IGNORED: text("Ignored"),
        Verdict.REVIEW: text("In review"),
        Verdict.ORPHAN: text("Purchase missing"),
        Verdict.FAILED: text("Failed"),
        Verdict.DISMISSED: text("Dismissed"),
    }
    return words.get(verdict, verdict)


def verdict_tone(verdict: str) -> str:
    """The tone of :func:`verdict_word`'s chip."""
    return _VERDICT_TONES.get(verdict, "quiet")
