"""What ends a command that runs until it is told to stop."""

from __future__ import annotations

import os
import signal

import pytest

from flask_stripe_credits.cli.stopping import told_to_stop


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_each_signal_of_a_terminal_is_heard_and_then_what_it_was(number: signal.Signals) -> None:
    before = signal.signal(number, signal.SIG_DFL)  # nohup may have it ignored
    try:
        with told_to_stop() as stopped:
            os.kill(os.getpid(), number)
            assert stopped.wait(60)
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, before)


def test_what_nohup_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with told_to_stop() as stopped:
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert not stopped.is_set()
    finally:
        signal.signal(signal.SIGHUP, before)
