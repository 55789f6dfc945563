"""Acts on purchases: refund one, decide on what waits. Who did it goes into the audit log."""

from __future__ import annotations

import itertools
import re
import uuid
from dataclasses import asdict

import sqlalchemy as sa
from flask import Response
from werkzeug.exceptions import NotFound

from ...facts import Ruling
from ...reading import reading
from ...refunds import Refunded, refund_purchase
from ...replays import replay_event
from ...review_queue import waiting
from ...reviews import accept, dismiss
from ...state import AppState
from ...stripe_objects import parse_uuid
from ..json_exchange import json_answer, json_request
from . import schemas

LARGEST_ACT = 4_096
_MOST_REVIEWS = 500
_TARGET = re.compile(r"[A-Za-z0-9_-]{1,255}\Z")

_refund_request = schemas.RefundRequestSchema()
_refund = schemas.RefundSchema()
_replayed = schemas.ReplayedSchema()
_nothing = schemas.NothingSchema()
_waiting = schemas.WaitingItemSchema(many=True)
_review_request = schemas.ReviewRequestSchema()
_review = schemas.ReviewSchema()
_DECISIONS = {"accept": accept, "dismiss": dismiss}


def refund(state: AppState, actor: str, purchase_id: str) -> Response:
    """Give a purchase's money back, and take its credits back. Safe to repeat."""
    wish = _refund_request.load(json_request(state.settings, LARGEST_ACT))
    key = _existing(state, purchase_id)
    outcome = refund_purchase(state, key, amount=wish["amount"], reason=wish["reason"], actor=actor)
    status = 200 if outcome.how is Refunded.MADE_BEFORE else 201
    return json_answer(_refund.dump(asdict(outcome)), status)


def replay(state: AppState, actor: str, event_id: str) -> Response:
    """Do once more what an event says. Safe to repeat: nothing is granted twice."""
    _nothing.load(json_request(state.settings, LARGEST_ACT))
    return json_answer(_replayed.dump(replay_event(state, event_id, actor=actor)))


def list_reviews(state: AppState, actor: str) -> Response:
    """What waits for a decision: purchases, then events, then orphans; oldest first."""
    return json_answer(_waiting.dump(itertools.islice(waiting(state), _MOST_REVIEWS)))


def review(state: AppState, actor: str, target: str) -> Response:
    """Decide on a purchase, an event or an orphan. A decision is made once."""
    ruling = _review_request.load(json_request(state.settings, LARGEST_ACT))
    if not _TARGET.match(target):
        raise NotFound
    decide = _DECISIONS[ruling["decision"]]
    outcome = decide(state, target, Ruling(actor, ruling["reason"]))
    shown = {
        "purchase_id": outcome.purchase_id,
        "status": outcome.status,
        "credits_posted": outcome.posted,
        "credits_never_delivered": outcome.never or 0,
        "refusal": outcome.refusal,
    }
    return json_answer(_review.dump(shown))


def _existing(state: AppState, purchase_id: str) -> uuid.UUID:
    c = state.models.table(state.models.Purchase).c
    key = parse_uuid(purchase_id)
    if key is not None:
        with reading(state) as connection:
            if connection.scalar(sa.select(c.id).where(c.id == key)) is not None:
                return key
    raise NotFound
