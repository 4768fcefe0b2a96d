"""Adds what a valid request needs besides its schema, so that schemathesis' requests are not refused by the first rule.

Only requests that are meant to be valid are changed, and they still match the schema.
"""

import base64
import os
import uuid

import schemathesis
from schemathesis import GenerationMode

# Operations that need a live session. They use a second account, because the first one's session is ended at some
# point.
NEEDS_A_SESSION = ("get-me", "update-me", "change-password", "list-sessions", "revoke-session", "revoke-other-sessions")
# The password of both accounts, until the API changes the second one's.
password = os.environ["ACCOUNT_PASSWORD"]


@schemathesis.auth(refresh_interval=None)
class AccessToken:
    def get(self, case, context):
        other = context.operation.definition.raw["operationId"] in NEEDS_A_SESSION
        return os.environ["OTHER_ACCESS_TOKEN" if other else "ACCESS_TOKEN"]

    def set(self, case, data, context):
        case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.hook
def before_call(context, case, kwargs):
    operation = case.operation.definition.raw["operationId"]
    if case.meta is None or case.meta.generation.mode != GenerationMode.POSITIVE:
        return
    if "Idempotency-Key" in (case.headers or {}):
        # A key that was used before would belong to another request.
        case.headers["Idempotency-Key"] = str(uuid.uuid4())
    if (case.query or {}).get("cursor"):
        order = {"list-sessions": "sessions", "list-trash": "trash"}.get(operation) or case.query.get("sort") or "-created"
        case.query["cursor"] = base64.urlsafe_b64encode(f"{order}\n0".encode()).decode().rstrip("=")
    if not str((case.query or {}).get("q") or "").isascii():
        # The pattern cannot express which characters search removes, so the text could become empty.
        case.query["q"] = case.query["q"][:-1] + "\N{SNOWMAN}"
    if isinstance(case.body, dict):
        # Other cases may use the same object as their body.
        case.body = dict(case.body)
        if isinstance(case.body.get("email"), str) and not case.body["email"].isascii():
            # The pattern cannot express which letters an internationalised domain may contain.
            case.body["email"] = case.body["email"].partition("@")[0] + "@ex\N{LATIN SMALL LETTER A WITH DIAERESIS}mple.com"
        for field in ("password", "new_password"):
            if len(set(case.body.get(field) or "12")) == 1:
                # Passwords such as 00000000 are among the most common.
                case.body[field] = case.body[field][:-1] + "\N{SNOWMAN}"
        if "current_password" in case.body:
            case.body["current_password"] = password


@schemathesis.hook
def after_call(context, case, response):
    global password
    changed = response.status_code == 200 and response.request.method == "POST"
    if changed and case.operation.definition.raw["operationId"] == "change-password":
        password = case.body["new_password"]
