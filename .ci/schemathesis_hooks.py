"""What a request needs besides fitting its schema, so that schemathesis' valid requests get past the first rule.

Only requests that are meant to be valid are changed, and only into others that fit the schema just as well.
"""

import base64
import os
import uuid

import schemathesis
from schemathesis import GenerationMode

# What only works while the session lives. It is done for another account, as the first one's is ended sooner or later.
NEEDS_A_SESSION = ("get-me", "update-me", "change-password", "list-sessions", "revoke-session", "revoke-other-sessions")
# Both accounts' password, until the API changes the other one's.
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
        # One that was used before would belong to another request.
        case.headers["Idempotency-Key"] = str(uuid.uuid4())
    if (case.query or {}).get("cursor"):
        order = {"list-sessions": "sessions", "list-trash": "trash"}.get(operation) or case.query.get("sort") or "-created"
        case.query["cursor"] = base64.urlsafe_b64encode(f"{order}\n0".encode()).decode().rstrip("=")
    if not str((case.query or {}).get("q") or "").isascii():
        # Which characters search sets aside, so that none may be left, is more than a pattern tells.
        case.query["q"] = case.query["q"][:-1] + "\N{SNOWMAN}"
    if isinstance(case.body, dict):
        # The same object may be the body of other cases.
        case.body = dict(case.body)
        if isinstance(case.body.get("email"), str) and not case.body["email"].isascii():
            # Which letters a domain in its own script may have is more than a pattern tells.
            case.body["email"] = case.body["email"].partition("@")[0] + "@ex\N{LATIN SMALL LETTER A WITH DIAERESIS}mple.com"
        for field in ("password", "new_password"):
            if len(set(case.body.get(field) or "12")) == 1:
                # Among the commonest are 00000000 and its like.
                case.body[field] = case.body[field][:-1] + "\N{SNOWMAN}"
        if "current_password" in case.body:
            case.body["current_password"] = password


@schemathesis.hook
def after_call(context, case, response):
    global password
    changed = response.status_code == 200 and response.request.method == "POST"
    if changed and case.operation.definition.raw["operationId"] == "change-password":
        password = case.body["new_password"]
