#!/usr/bin/env python3
"""Signs the tokens of the sample events again, with the keys in events/env.json.

    target/ci-venv/bin/python .ci/sign_events.py [--new-keys]

The same keys give the same tokens, so a second run changes nothing. The tokens end in 2099 and the keys are public
in the repository: use both only on machines that others cannot reach.
"""

import argparse
import base64
import hashlib
import hmac
import json
import os
import pathlib
import uuid

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

EVENTS = pathlib.Path(__file__).resolve().parent.parent / "events"
SIGNATURE_KID, MAC_KID = "local-sig-1", "local-mac-1"

# The account and the session that `tasklane seed` creates.
USER = uuid.UUID("01900000-0000-7000-8000-000000000001")
SESSION = uuid.UUID("01900000-0000-7000-8000-0000000000a1")
ISSUED, EXPIRES = 1_767_225_600, 4_070_908_800  # 2026-01-01 and 2099-01-01


def main():
    arguments = argparse.ArgumentParser(description="Signs the tokens of the sample events.")
    arguments.add_argument("--new-keys", action="store_true", help="make new keys first")
    new_keys = arguments.parse_args().new_keys

    settings = read(EVENTS / "env.json")
    parameters = settings["Parameters"]
    if new_keys or "TASKLANE_SIGNING_KEYS" not in parameters:
        parameters.update(make_keys())
        write(EVENTS / "env.json", settings)
    keys = {key["kid"]: key for key in json.loads(parameters["TASKLANE_SIGNING_KEYS"])["keys"]}

    for path in sorted(EVENTS.glob("*.json")):
        if path.name == "env.json":
            continue
        event = read(path)
        if event["headers"].get("authorization", "").startswith("Bearer "):
            event["headers"]["authorization"] = "Bearer " + access_token(path.name, keys)
        if '"refresh_token"' in event.get("body", ""):
            event["body"] = json.dumps({"refresh_token": refresh_token(path.name, keys)})
            event["headers"]["content-length"] = str(len(event["body"]))
        write(path, event)


def make_keys():
    """The settings that hold a new key pair for access tokens and a new secret for refresh tokens."""
    pair = Ed25519PrivateKey.generate()
    public = {
        "kty": "OKP",
        "crv": "Ed25519",
        "use": "sig",
        "alg": "EdDSA",
        "kid": SIGNATURE_KID,
        "x": encode(pair.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)),
    }
    private = public | {"d": encode(pair.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()))}
    mac = {"kty": "oct", "use": "sig", "alg": "HS256", "kid": MAC_KID, "k": encode(os.urandom(32))}
    return {
        "TASKLANE_PUBLIC_KEYS": compact({"keys": [public], "max_token_lifetime": EXPIRES - ISSUED}),
        "TASKLANE_SIGNING_KEYS": compact({"keys": [private, mac]}),
    }


def access_token(name, keys):
    """The access token of an event; the event's name says what is wrong with the token."""
    claims = {
        "iss": "tasklane",
        "aud": "tasklane",
        "sub": str(USER),
        "sid": str(SESSION),
        "role": "user",
        "iat": ISSUED,
        "exp": ISSUED + 900 if "expired-token" in name else EXPIRES,
        "jti": str(uuid.uuid5(uuid.NAMESPACE_URL, name)),
    }
    seed = bytes(32) if "foreign-key" in name else decode(keys[SIGNATURE_KID]["d"])
    header = {"alg": "EdDSA", "typ": "at+jwt", "kid": SIGNATURE_KID}
    message = encode(compact(header).encode()) + "." + encode(compact(claims).encode())
    return message + "." + encode(Ed25519PrivateKey.from_private_bytes(seed).sign(message.encode()))


def refresh_token(name, keys):
    """The refresh token of the demo session, which has not been refreshed yet: generation 0."""
    head = f"tlr_{MAC_KID}."
    named = b"\x01" + USER.bytes + SESSION.bytes + (0).to_bytes(4, "big")
    secret = bytes(32) if "forged-token" in name else decode(keys[MAC_KID]["k"])
    return head + encode(named + hmac.digest(secret, head.encode() + named, hashlib.sha256))


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def compact(value):
    return json.dumps(value, separators=(",", ":"))


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def write(path, value):
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


main()
