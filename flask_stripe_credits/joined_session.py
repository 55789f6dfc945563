"""What receivers see as ``db.session``: a session of the host's own class, on our connection.

It joins our transaction: ``commit()`` writes what was done and ends nothing, and whatever would end
the transaction is noticed, so that nothing is kept.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction

from .errors import ReceiverFailed

SPOILED = "a receiver rolled back, closed, reset or removed db.session, or has kept it"


def joined_session_class(base: type[Session]) -> type[Session]:
    """A subclass of the host's session class, so that its options, binds and listeners stay."""

    class JoinedSession(base):  # type: ignore[valid-type, misc]
        joined_connection: sa.Connection | None = None
        spoiled = False
        is_ending = False

        def get_bind(self, *args: Any, **kwargs: Any) -> sa.Engine | sa.Connection:
            if self.spoiled:
                # Our transaction is gone: what came now would begin, and commit, one of its own.
                _refuse()
            bind: sa.Engine | sa.Connection = super().get_bind(*args, **kwargs)
            joined = self.joined_connection
            if joined is None:
                return bind
            if _is_joined(bind, joined):
                return joined
            mapper = args[0] if args else kwargs.get("mapper")
            if mapper is not None:
                # What is written in our transaction is read in it, not from a replica.
                writes = super().get_bind(mapper, clause=sa.update(sa.inspect(mapper).local_table))
                if _is_joined(writes, joined):
                    return joined
            return bind

        def close(self) -> None:
            self.spoil()
            super().close()

        def reset(self) -> None:
            self.spoil()
            super().reset()

        def invalidate(self) -> None:
            self.spoil()
            super().invalidate()

        def expunge_all(self) -> None:
            # What isn't flushed is lost, be it another receiver's.
            if not self.is_ending and (self.new or self.dirty or self.deleted):
                self.spoil()
            super().expunge_all()

        def spoil(self) -> None:
            """Let nothing be written any more, not even by who has kept the connection."""
            joined = self.joined_connection
            if joined is not None and not self.spoiled:
                event.listen(joined, "before_cursor_execute", _refuse)
            self.spoiled = True

        def let_go(self) -> None:
            """Give the connection back to who goes on with it; who has kept this gets no other."""
            if self.spoiled and self.joined_connection is not None:
                event.remove(self.joined_connection, "before_cursor_execute", _refuse)
            self.spoiled = True

    @event.listens_for(JoinedSession, "after_soft_rollback")
    def _note_root_rollback(session: JoinedSession, previous: SessionTransaction) -> None:
        # A flush that fails rolls back to the savepoint around it, if there is one.
        undone: SessionTransaction = previous
        while not undone.nested and undone.parent is not None:
            undone = undone.parent
        if not undone.nested:
            session.spoil()

    return JoinedSession


def _refuse(*arguments: object) -> None:
    raise ReceiverFailed(SPOILED)


def _is_joined(bind: sa.Engine | sa.Connection, joined: sa.Connection) -> bool:
    """Whether it leads to the same database in the same way.

    A host's ``get_bind`` may give an engine options, and so make another one, at every call.
    """
    if bind is joined or bind is joined.engine:
        return True
    engine, ours = bind.engine, joined.engine
    return engine.pool is ours.pool and (
        engine.get_execution_options() == ours.get_execution_options()
    )


def changes_in(session: Session) -> Any:
    """The objects that would be written at its next flush, as a set by identity."""
    changed = [one for one in session.dirty if session.is_modified(one)]
    return (session.new | session.deleted).union(changed)


def refuse_changes(session: Session, earlier: Any) -> None:
    """Notice what receivers did to the caller's own session, where it would be lost.

    :param earlier: its :func:`changes_in` before.
    :raises ReceiverFailed: there are others now.
    """
    changed = changes_in(session) - earlier
    if changed:
        names = ", ".join(sorted({type(one).__name__ for one in changed}))
        raise ReceiverFailed(
            f"a receiver changed {names} of the session that was db.session before: "
            f"what it changes must come from the session that it is given"
        )


def take_back_changes(session: Session, earlier: Any) -> None:
    """Undo them, lest the caller commits them later; what it has loaded is read anew."""
    for one in session.new - earlier:
        session.expunge(one)
    for one in session.deleted - earlier:
        session.add(one)
    session.expire_all()
