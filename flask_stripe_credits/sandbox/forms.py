"""Stripe's form encoding: ``line_items[0][price]=…`` as a tree of strings."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

from .errors import ApiError, invalid

Tree = dict[str, "str | Tree"]

LARGEST_BODY = 1024 * 1024
_MOST_FIELDS = 2000
_DEEPEST = 8
_KEY = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)\Z")
_SEGMENT = re.compile(r"\[([^\[\]]*)\]")


def decode(encoded: bytes) -> Tree:
    """Return the parameters of a form-encoded body or query string.

    ``a[]=x&a[]=y`` counts its items itself, as ``a[0]=x&a[1]=y`` says them.

    :raises ApiError: when the text isn't a form that Stripe would understand.
    """
    try:
        pairs = parse_qsl(
            encoded.decode("utf-8"),
            keep_blank_values=True,
            max_num_fields=_MOST_FIELDS,
            errors="strict",
        )
    except ValueError as error:
        raise invalid("Invalid request: the body isn't a URL-encoded form in UTF-8.") from error
    tree: Tree = {}
    for key, value in pairs:
        _put(tree, key, value)
    return tree


def _put(tree: Tree, key: str, value: str) -> None:
    matched = _KEY.match(key)
    if matched is None:
        raise _malformed(key)
    segments = [matched[1], *_SEGMENT.findall(matched[2])]
    if len(segments) > _DEEPEST:
        raise _malformed(key)
    for segment in segments[:-1]:
        child = tree.setdefault(segment or str(len(tree)), {})
        if isinstance(child, str):
            raise _malformed(key)
        tree = child
    last = segments[-1] or str(len(tree))
    if isinstance(tree.get(last), dict):
        raise _malformed(key)
    tree[last] = value


def _malformed(key: str) -> ApiError:
    return invalid(f"Invalid parameter name: {key[:100]}", param=key[:100])
