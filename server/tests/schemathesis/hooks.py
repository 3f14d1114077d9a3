"""Signs what schemathesis sends as the device of a session does."""

import base64
import hashlib
import os
import time

import requests
import schemathesis
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

TOKEN = os.environ["SESSION_TOKEN"]
KEY = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(os.environ["SESSION_KEY"]))


def bound(*fields: bytes) -> bytes:
    """Each field with its length in front."""
    return b"".join(len(field).to_bytes(4, "little") + field for field in fields)


class Signed(requests.auth.AuthBase):
    """Adds the token, and the proof over the request as it is sent."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Signs a request that is ready."""
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else body
        seconds = int(time.time())
        message = bound(
            b"agentsecrets/proof/1", request.method.encode(), request.path_url.encode(), hashlib.sha256(body).digest(),
            hashlib.sha256(TOKEN.encode()).digest(), seconds.to_bytes(8, "little", signed=True),
        )
        signature = base64.urlsafe_b64encode(KEY.sign(message)).decode().rstrip("=")
        request.headers["authorization"] = f"Bearer {TOKEN}"
        request.headers["agentsecrets-proof"] = f"t={seconds},s={signature}"
        return request


schemathesis.auth.set_from_requests(Signed())
