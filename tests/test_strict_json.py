from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_stripe_credits.strict_json import MalformedJSON, parse_json

documents = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@settings(deadline=None)
@given(documents)
def test_it_reads_what_was_written(document: object) -> None:
    assert parse_json(json.dumps(document).encode()) == document
    assert parse_json(json.dumps(document, ensure_ascii=False).encode("utf-8")) == document


@settings(deadline=None)
@given(st.binary())
def test_E18_bytes_are_read_or_refused_with_one_exception(data: bytes) -> None:
    try:
        parse_json(data)
    except MalformedJSON as error:
        assert error.__cause__ is None
        assert error.__suppress_context__


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"\xef\xbb\xbf{}",
        b"NaN",
        b"[Infinity]",
        b"[-Infinity]",
        b"[1e400]",
        b"[-1e400]",
        b'{"a": 1, "a": 1}',
        b'[{"b": {"a": 1, "\\u0061": 2}}]',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"9" * 5_000,
        b"-" + b"9" * 5_000,
        b"01",
        b"+1",
        b"'a'",
        b'"\t"',
        b"{} {}",
        b"nul",
    ],
)
def test_E18_what_readers_differ_on_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedJSON):
        parse_json(data)


def test_I13_the_exception_doesnt_carry_the_document() -> None:
    with pytest.raises(MalformedJSON) as caught:
        parse_json(b'{"card": "the document"')
    assert "document" not in repr(caught.value)
    assert "document" not in str(caught.value.args)
    assert not hasattr(caught.value, "doc")
