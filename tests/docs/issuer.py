"""An OpenID issuer on loopback: it publishes a key set and signs tokens, well or badly."""

from __future__ import annotations

import contextlib
import json
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from ..serving import serving

AUDIENCE = "credits-api"


class Issuer:
    """Keys by their id, what is asked of it, and what it answers.

    ``answer`` makes the body that is sent as the key set; ``asked`` counts how often.
    """

    def __init__(self) -> None:
        self.keys: dict[str, Any] = {}
        self.url = ""
        self.asked = 0
        self.answer: Callable[[], bytes] = self.key_set

    def new_key(self, kid: str, algorithm: str = "RS256") -> None:
        self.keys[kid] = (
            rsa.generate_private_key(65537, 2048)
            if algorithm == "RS256"
            else ec.generate_private_key(ec.SECP256R1())
        )

    def key_set(self) -> bytes:
        return json.dumps({"keys": [self._public(kid) for kid in self.keys]}).encode()

    def _public(self, kid: str) -> dict[str, Any]:
        key = self.keys[kid]
        kind = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
        algorithm = "RS256" if kind is RSAAlgorithm else "ES256"
        known: dict[str, Any] = json.loads(kind.to_jwk(key.public_key()))
        known.pop("key_ops", None)
        return known | {"kid": kid, "use": "sig", "alg": algorithm}

    def claims(self, **other: Any) -> dict[str, Any]:
        now = int(time.time())
        known = {"iss": self.url, "aud": AUDIENCE, "sub": "alice", "iat": now, "exp": now + 300}
        return {name: value for name, value in (known | other).items() if value is not None}

    def token(self, kid: str = "rsa", *, key: Any = None, **claims: Any) -> str:
        """A token signed by the key ``kid``, or by ``key`` in its name; None drops a claim."""
        key = key or self.keys[kid]
        algorithm = "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"
        return jwt.encode(self.claims(**claims), key, algorithm, headers={"kid": kid})

    def public_pem(self, kid: str) -> bytes:
        public: bytes = (
            self.keys[kid]
            .public_key()
            .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        )
        return public

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        self.asked += 1
        start_response("200 OK", [("Content-Type", "application/json")])
        return [self.answer()]


@contextlib.contextmanager
def issuing() -> Iterator[Issuer]:
    """An issuer with an RSA key ``rsa`` and an elliptic one ``ec``."""
    issuer = Issuer()
    issuer.new_key("rsa")
    issuer.new_key("ec", "ES256")
    with serving(issuer) as url:
        issuer.url = url
        yield issuer


def new_signing_secret() -> str:
    """Long enough for HS256, as RFC 7518 asks."""
    return secrets.token_hex(32)
