#!/usr/bin/env python3
"""Creates, rotates, rolls back and deletes signing keys as CloudFormation does, and issues tokens with them.

The debug binaries run under the Lambda Runtime Interface Emulator; moto is the table of signing keys, the DynamoDB
engine the other tables, behind a gate that checks template.yaml's policies; a local server receives the answers to
CloudFormation. Needs `cargo build --workspace --bins`.
"""

import base64
import contextlib
import http.client
import http.server
import json
import pathlib
import shutil
import signal
import sys
import tempfile
import threading
import time
import uuid

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

import cloudformation
import emulator
import stack
from emulator import HOST, PATIENCE

STACK = f"arn:aws:cloudformation:eu-central-1:123456789012:stack/{stack.STACK_NAME}/"
EVENT = json.loads((stack.ROOT / "events" / "register.json").read_text(encoding="utf-8"))
KEYS = "tasklane-keys"
STORIES = []


def story(function):
    STORIES.append(function)
    return function


@story
def a_stack_is_made_and_deleted(world):
    made = world.ask("Create", version="1")
    keys = world.keys(made)
    assert len(world.public(made)) == 2 and len(keys) == 4, keys
    assert world.ask("Delete", made, version="1")["Status"] == "SUCCESS"
    assert world.sets() == [], "deleting the stack deletes its keys"


@story
def a_rotation_publishes_a_key_before_it_signs(world):
    first = world.ask("Create", version="1")
    second = world.ask("Update", first, version="2", old="1")
    before, after = world.public(first), world.public(second)
    assert second["PhysicalResourceId"] != first["PhysicalResourceId"]
    assert after[0] == before[1] and before[0] in after, "the signing key was published before, and the old one still is"
    assert after[1] not in before, "the next key is new"
    macs = [[key["kid"] for key in world.keys(answer) if key["kty"] == "oct"] for answer in (first, second)]
    assert macs[1][0] == macs[0][1] and macs[0][0] in macs[1]
    assert len(world.sets()) == 2, "the old keys stay until CloudFormation deletes them"
    world.ask("Delete", first, version="1")
    assert world.sets() == [second["PhysicalResourceId"]]


@story
def a_failed_update_returns_to_the_old_keys(world):
    first = world.ask("Create", version="1")
    second = world.ask("Update", first, version="2", old="1")
    # CloudFormation then sends the old properties and the new name; at the end a Delete of the new one.
    back = world.ask("Update", second, version="1", old="2")
    assert (back["PhysicalResourceId"], back["Data"]) == (first["PhysicalResourceId"], first["Data"])
    world.ask("Delete", second, version="2")
    assert world.sets() == [first["PhysicalResourceId"]]
    again = world.ask("Update", first, version="2", old="1")
    assert world.public(again)[0] == world.public(first)[1]


@story
def a_refused_update_returns_to_the_current_keys(world):
    first = world.ask("Create", version="1")
    refused = world.ask("Update", first, version="a/b", old="1")
    assert refused["Status"] == "FAILED" and refused["PhysicalResourceId"] == first["PhysicalResourceId"]
    back = world.ask("Update", refused, version="1", old="a/b")
    assert back["Data"] == first["Data"] and world.sets() == [first["PhysicalResourceId"]]


@story
def a_repeated_request_is_executed_once(world):
    for kind, ask in (("Create", {"version": "1"}), ("Update", {"version": "2", "old": "1"})):
        answer = world.ask("Create", version="1") if kind == "Update" else None
        request = world.request(kind, answer, **ask)
        answers = [world.send(request) for _ in range(3)]
        assert answers[0]["Status"] == "SUCCESS" and answers.count(answers[0]) == 3, answers
    assert len(world.sets()) == 2
    for _ in range(2):
        for answer in (answers[0], {"PhysicalResourceId": request["PhysicalResourceId"]}):
            assert world.ask("Delete", answer, version="x")["Status"] == "SUCCESS"
    assert world.sets() == []


@story
def a_request_repeated_in_parallel_is_executed_once(world):
    request, answers = world.request("Create", version="1"), []
    functions = [world.start("make-keys") for _ in range(2)]
    threads = [threading.Thread(target=function.invoke, args=[json.dumps(request)]) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    answers = [world.answers.pop() for _ in range(2)]
    assert answers[0] == answers[1] and answers[0]["Status"] == "SUCCESS", answers


@story
def a_late_repetition_of_an_old_update_cannot_bring_unknown_keys(world):
    first = world.ask("Create", version="1")
    update = world.request("Update", first, version="2", old="1")
    world.send(update)
    world.ask("Delete", {"PhysicalResourceId": "1/2"}, version="2")
    third = world.ask("Update", first, version="3", old="1")
    world.send(update)
    refused = world.ask("Update", third, version="2", old="3")
    assert refused["Status"] == "FAILED" and "used before" in refused["Reason"], refused


@story
def another_epoch_replaces_all_keys(world):
    first = world.ask("Create", version="1")
    second = world.ask("Update", first, version="1", epoch="2", old="1")
    assert not {key["kid"] for key in world.keys(first)} & {key["kid"] for key in world.keys(second)}
    back = world.ask("Update", second, version="1", epoch="1", old="1")
    assert back["Data"] == first["Data"], "the old keys return if the update fails"


@story
def deleted_keys_are_not_silently_made_again(world):
    first = world.ask("Create", version="1")
    world.delete(first)
    gone = world.ask("Update", first, version="2", old="1")
    assert gone["Status"] == "FAILED" and "KeyEpoch" in gone["Reason"], gone
    assert world.ask("Update", first, version="1", epoch="2", old="1")["Status"] == "SUCCESS"


@story
def a_change_of_something_else_keeps_the_keys(world):
    first = world.ask("Create", version="1")
    request = world.request("Update", first, version="1", old="1")
    request["ResourceProperties"]["ServiceToken"] = "another"
    same = world.send(request)
    assert (same["PhysicalResourceId"], same["Data"]) == (first["PhysicalResourceId"], first["Data"])


@story
def a_resource_that_named_a_parameter_gets_keys_in_the_table(world):
    before = {"PhysicalResourceId": f"/tasklane/{stack.STACK_NAME}/0aa0-11/1/1"}
    made = world.ask("Update", before, version="1", old="1")
    assert made["Status"] == "SUCCESS" and world.sets() == ["1/1"], made
    # With the properties of that time.
    delete = world.request("Delete", before, version="1")
    del delete["ResourceProperties"]["Table"]
    assert world.send(delete)["Status"] == "SUCCESS"
    assert world.sets() == ["1/1"], "the table has only its own sets"


@story
def every_error_is_answered_without_secrets(world):
    request = world.request("Create", version="1")
    for change in (
        {"ResourceProperties": None},
        {"ResourceProperties": {"KeyVersion": 1}},
        {"ResourceProperties": {"KeyEpoch": "1", "KeyVersion": ["1"]}},
        {"RequestType": "Destroy"},
        {"RequestType": None},
        {"StackId": 1, "RequestId": None, "LogicalResourceId": {}, "RequestType": 1},
        {"PhysicalResourceId": 7, "ResourceProperties": []},
    ):
        answer = world.send(request | change)
        assert answer["Status"] == "FAILED" and answer["Reason"] and answer["PhysicalResourceId"], (change, answer)
    assert world.sets() == []
    # Invalid keys: the reason does not quote them.
    first = world.ask("Create", version="1")
    world.put(first, "the-secret")
    answer = world.ask("Update", first, version="2", old="1")
    assert answer["Status"] == "FAILED" and "the-secret" not in json.dumps(answer), answer
    assert "the-secret" not in "".join(world.maker.new_log_lines())


@story
def a_creation_that_was_never_answered_is_deleted(world):
    world.ask("Create", version="1")
    answer = world.ask("Delete", {"PhysicalResourceId": "tasklane-SigningKeys-1ABCDEF"}, version="1")
    assert answer["Status"] == "SUCCESS" and world.sets() == []
    unknown = world.request("Delete", {"PhysicalResourceId": "none"}, version="1") | {"ResourceProperties": {}}
    assert world.send(unknown)["Status"] == "SUCCESS", "deleting a missing set succeeds"


@story
def a_stack_without_its_table_can_be_deleted(world):
    made = world.ask("Create", version="1")
    world.call("DeleteTable")
    assert world.ask("Delete", made, version="1")["Status"] == "SUCCESS"
    world.make_table()


@story
def an_unreachable_store_is_reported(world):
    world.gate.faults = ["down"] * 3
    answer = world.ask("Create", version="1")
    assert answer["Status"] == "FAILED" and "cannot be reached" in answer["Reason"], answer
    world.gate.faults = ["down", "lost"]
    assert world.ask("Create", version="2")["Status"] == "SUCCESS", "a temporary error is retried"


@story
def a_write_whose_answer_was_lost_is_written_once(world):
    world.gate.faults = [None, "lost"]
    answer = world.ask("Create", version="1")
    assert answer["Status"] == "SUCCESS" and len(world.sets()) == 1
    assert world.public(answer) == world.public(world.ask("Create", version="1"))


@story
def a_role_that_is_not_known_yet_is_retried(world):
    world.gate.faults = ["denied", "denied"]
    assert world.ask("Create", version="1")["Status"] == "SUCCESS"


@story
def unreachable_cloudformation_is_retried(world):
    world.answers.refuse = 2
    assert world.ask("Create", version="1")["Status"] == "SUCCESS"


@story
def an_invalid_request_is_reported(world):
    for event in ({}, [], None, "ping", {"ResponseURL": 1}, {"Records": []}, EVENT):
        answer = world.maker.invoke(json.dumps(event))
        assert "CloudFormation" in answer["message"], answer


@story
def too_many_rotations_are_refused(world):
    answer = world.ask("Create", version="0")
    for number in range(1, 40):
        after = world.ask("Update", answer, version=str(number), old=str(number - 1))
        if after["Status"] == "FAILED":
            break
        assert len(json.dumps(after)) <= 4096, "CloudFormation reads no more"
        answer = after
    print(f"        {number - 1} rotations within a day fit: {len(world.value(answer))} bytes private, "
          f"{len(answer['Data']['PublicKeys'])} public")
    assert number > 10 and "KeyEpoch" in after["Reason"]
    assert after["PhysicalResourceId"] == answer["PhysicalResourceId"]


@story
def tokens_are_issued_with_the_keys_and_verify_through_a_rotation(world):
    first = world.ask("Create", version="1")
    second = world.ask("Update", first, version="2", old="1")
    login, fresh = world.issuer("register", first), world.issuer("register", second)
    for function in (login, fresh):
        token = world.register(function)["access_token"]
        for answer in (first, second):
            world.verify(token, answer)
    # Each issuing function reads the set that the template names, and nothing else.
    for name in ("login", "refresh-token", "change-password"):
        assert world.issuer(name, second).invoke(json.dumps(EVENT))["statusCode"] in (404, 405)
    tokens = world.register(login)
    refresh = world.issuer("refresh-token", second)
    body = json.dumps({"refresh_token": tokens["refresh_token"]})
    event = EVENT | {"rawPath": "/v1/auth/refresh", "body": body}
    renewed = refresh.invoke(json.dumps(event))
    assert renewed["statusCode"] == 200, renewed


@story
def a_function_without_keys_reports_it_and_starts_once_they_exist(world):
    first = world.ask("Create", version="1")
    for fault, status in (("down", 503), ("denied", 500)):
        world.gate.faults = [fault] * 6
        function = world.issuer("register", first)
        answer = function.invoke(json.dumps(EVENT))
        assert answer["statusCode"] == status and "dynamodb" not in answer["body"].lower(), answer
        log = function.new_log_lines()
        lines = [line for line in log if "no_signing_keys" in line]
        assert lines and "TASKLANE_SIGNING_KEYS" in lines[0], lines
        requests = [json.loads(line) for line in log if '"event":"request"' in line]
        assert [(line["status"], line["source"]) for line in requests] == [(status, "203.0.113.7")], "the request is logged like any other"
        world.gate.faults = []
        assert world.register(function), "the next request finds the keys"
    missing = world.issuer("register", {"PhysicalResourceId": "1/10"})
    assert missing.invoke(json.dumps(EVENT))["statusCode"] == 500
    assert any("no_signing_keys" in line for line in missing.new_log_lines())
    world.put(first, "the-secret")
    broken = world.issuer("register", first)
    assert broken.invoke(json.dumps(EVENT))["statusCode"] == 500
    log = "".join(broken.new_log_lines())
    assert "bad_setting" in log and "the-secret" not in log, log


@story
def keys_are_read_over_the_connection_that_the_store_uses(world):
    first = world.ask("Create", version="1")
    before = world.gate.connections
    function = world.issuer("register", first)
    world.register(function)
    world.register(function)
    assert world.gate.connections - before == 1, f"{world.gate.connections - before} connections"


class World:
    """A separate stack for each story."""

    def __init__(self, shared, cleanup):
        self.shared, self.cleanup = shared, cleanup
        self.stack = STACK + str(uuid.uuid4())
        self.answers = shared["answers"]
        self.gate = Gate(shared["functions"]["make-keys"], shared["moto"], shared["engine"])
        cleanup.callback(self.gate.close)
        self.make_table()
        cleanup.callback(self.call, "DeleteTable")
        self.maker = self.start("make-keys")

    def start(self, name, **environment):
        function = self.shared["functions"][name]
        gate = f"http://{HOST}:{self.gate.port}"
        environment = function.environment | environment | {"AWS_ENDPOINT_URL_DYNAMODB": gate, "TASKLANE_LOG_LEVEL": "debug"}
        self.gate.function = function
        return emulator.Running(function, environment, self.shared["scratch"], self.cleanup)

    def issuer(self, name, answer):
        return self.start(name, TASKLANE_SIGNING_KEYS=f"dynamodb:{answer['PhysicalResourceId']}", DATABASE_URL="dynamodb://")

    def request(self, kind, answer=None, version="1", epoch="1", old=None):
        request = {
            "RequestType": kind,
            "RequestId": str(uuid.uuid4()),
            "ResponseURL": self.answers.url,
            "ResourceType": "Custom::SigningKeys",
            "LogicalResourceId": "SigningKeys",
            "StackId": self.stack,
            "ResourceProperties": {"ServiceToken": "arn:aws:lambda", "KeyVersion": version, "KeyEpoch": epoch, "Table": KEYS},
        }
        if answer:
            request["PhysicalResourceId"] = answer["PhysicalResourceId"]
        if old:
            request["OldResourceProperties"] = {"ServiceToken": "arn:aws:lambda", "KeyVersion": old, "KeyEpoch": "1", "Table": KEYS}
        return request

    def ask(self, *arguments, **properties):
        return self.send(self.request(*arguments, **properties))

    def send(self, request):
        """The answer to CloudFormation. Checks that CloudFormation accepts it."""
        self.gate.function = self.shared["functions"]["make-keys"]
        self.maker.invoke(json.dumps(request))
        answer = self.answers.pop()
        for member in ("StackId", "RequestId", "LogicalResourceId"):
            wanted = request[member] if isinstance(request[member], str) else ""
            assert answer[member] == wanted, answer
        assert answer["PhysicalResourceId"] and answer["Status"] in ("SUCCESS", "FAILED"), answer
        return answer

    def public(self, answer):
        keys = json.loads(answer["Data"]["PublicKeys"])["keys"]
        assert all(set(key) == {"kty", "crv", "use", "alg", "kid", "x"} for key in keys), "private keys are not published"
        return keys

    def call(self, operation, **request):
        """Calls the table of keys directly, without a policy."""
        return call(self.shared["moto"], operation, {"TableName": KEYS} | request)

    def make_table(self):
        attributes, key = [{"AttributeName": "name", "AttributeType": "S"}], [{"AttributeName": "name", "KeyType": "HASH"}]
        self.call("CreateTable", BillingMode="PAY_PER_REQUEST", AttributeDefinitions=attributes, KeySchema=key)

    def key(self, answer):
        return {"name": {"S": answer["PhysicalResourceId"]}}

    def value(self, answer):
        return self.call("GetItem", Key=self.key(answer))["Item"]["keys"]["S"]

    def keys(self, answer):
        return json.loads(self.value(answer))["keys"]

    def put(self, answer, value):
        self.call("PutItem", Item=self.key(answer) | {"keys": {"S": value}})

    def delete(self, answer):
        self.call("DeleteItem", Key=self.key(answer))

    def sets(self):
        return sorted(item["name"]["S"] for item in self.call("Scan")["Items"])

    def register(self, function):
        self.gate.function = self.shared["functions"]["register"]
        account = {"email": f"{uuid.uuid4()}@example.com", "password": "a lane of tasks"}
        answer = function.invoke(json.dumps(EVENT | {"body": json.dumps(account)}))
        assert answer["statusCode"] == 201, answer
        return json.loads(answer["body"])

    def verify(self, token, answer):
        message, _, signature = token.rpartition(".")
        kid = json.loads(decode(message.partition(".")[0]))["kid"]
        key = next(key for key in self.public(answer) if key["kid"] == kid)
        Ed25519PublicKey.from_public_bytes(decode(key["x"])).verify(decode(signature), message.encode())


class Gate:
    """Forwards DynamoDB calls to the server that has the table, if the function's policy allows them."""

    def __init__(self, function, moto, engine):
        self.function, self.faults, self.connections, gate = function, [], 0, self

        class Handler(http.server.BaseHTTPRequestHandler):
            # Keeps connections open, so that they can be counted.
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                action, table = self.headers["x-amz-target"].removeprefix("DynamoDB_20120810."), json.loads(body).get("TableName")
                assert self.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential="), dict(self.headers)
                fault = gate.faults.pop(0) if gate.faults else None
                if fault == "down":
                    self.close_connection = True
                    return
                needed = set(stack.needed(action, json.loads(body)))
                missing = needed - gate.function.permissions
                if fault == "denied" or missing:
                    DENIED.extend(f"{action} on {resource}" for action, resource in sorted(missing))
                    self.reply(400, json.dumps({"__type": "com.amazon.coral.service#AccessDeniedException"}).encode())
                    return
                USED.update((gate.function.name, *call) for call in needed)
                status, answer = forward(moto if table == KEYS else engine, body, dict(self.headers))
                if fault == "lost":
                    self.close_connection = True
                else:
                    self.reply(status, answer)

            def handle(self):
                gate.connections += 1
                # A caller that timed out is not a failure of the gate.
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    super().handle()

            def reply(self, status, body):
                self.send_response(status)
                self.send_header("content-type", "application/x-amz-json-1.0")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.port = cloudformation.serve(self, Handler)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


DENIED, USED = [], set()


def forward(port, body, headers):
    connection = http.client.HTTPConnection(HOST, port, timeout=PATIENCE)
    with contextlib.closing(connection):
        connection.request("POST", "/", body, headers)
        response = connection.getresponse()
        return response.status, response.read()


def call(moto, action, request):
    headers = {
        "content-type": "application/x-amz-json-1.0",
        "x-amz-target": f"DynamoDB_20120810.{action}",
        "authorization": "AWS4-HMAC-SHA256 Credential=local/20260101/eu-central-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0",
    }
    status, answer = forward(moto, json.dumps(request).encode(), headers)
    assert status == 200, answer
    return json.loads(answer)


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def main():
    settings = json.loads((stack.ROOT / "events" / "env.json").read_text(encoding="utf-8"))["Parameters"]
    failed = 0
    with contextlib.ExitStack() as cleanup:
        scratch = pathlib.Path(cleanup.enter_context(tempfile.TemporaryDirectory()))
        moto = emulator.free_port()
        emulator.start([shutil.which("moto_server"), "-H", HOST, "-p", str(moto)], {}, scratch / "moto.log", moto, cleanup)
        shared = {
            "functions": {function.name: function for function in stack.functions(settings)},
            "scratch": scratch,
            "moto": moto,
            "answers": cloudformation.Answers(),
            "engine": emulator.start_engine(scratch, cleanup),
        }
        # moto loads a service at its first call, which takes longer than the time limit of a call.
        call(moto, "ListTables", {})
        for story in STORIES:
            started = time.monotonic()
            with contextlib.ExitStack() as done:
                world = World(shared, done)
                try:
                    story(world)
                    fault = "; ".join(DENIED) and f"template.yaml does not allow {'; '.join(DENIED)}"
                except Exception as error:
                    fault = f"{type(error).__name__} {error}, line {error.__traceback__.tb_next and error.__traceback__.tb_next.tb_lineno}"
                log = world.maker.new_log_lines()
            shared["answers"].received.clear()
            DENIED.clear()
            print(f"{'FAIL' if fault else 'ok':4}  {story.__name__.replace('_', ' ')}: {time.monotonic() - started:.1f} s", flush=True)
            if fault:
                failed += 1
                print(f"        {fault}", *(f"        | {line}" for line in log[-10:]), sep="\n")
    stack.record("keys", USED)
    print(f"{len(STORIES) - failed} passed, {failed} failed")
    return 1 if failed else 0


# A signal also stops the started processes.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
sys.exit(main())
