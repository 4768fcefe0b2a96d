#!/usr/bin/env python3
"""Runs every function on its sample events and checks its answers.

Each function's debug binary runs under the Lambda Runtime Interface Emulator, with the settings that template.yaml
gives it and no others, against `tasklane dynamodb --seed`. A gate between the two
refuses calls that the function's IAM policy does not allow. Needs `cargo build --workspace --bins`.
"""

import base64
import contextlib
import http.client
import http.server
import json
import pathlib
import signal
import sys
import tempfile
import threading
import time

import jsonschema

import emulator
import stack
from emulator import HOST, PATIENCE

EVENTS = stack.ROOT / "events"

# Successful writes that remove data of other events, in an order in which each still finds the data that it needs.
LAST = ["delete-task", "revoke-session", "revoke-other-sessions", "change-password", "logout"]


def main():
    settings = json.loads((EVENTS / "env.json").read_text(encoding="utf-8"))["Parameters"]
    document = json.loads((stack.ROOT / "functions/system/openapi.json").read_text(encoding="utf-8"))
    functions = {function.name: function for function in stack.functions(settings) if function.endpoint}
    events = sorted((Event(path) for path in EVENTS.glob("*.json") if path.name != "env.json"), key=Event.order)

    faults = [f"{name} has no sample event" for name in functions if not (EVENTS / f"{name}.json").exists()]
    faults += [f"{event.path.name} belongs to no function" for event in events if event.function not in functions]
    for fault in faults:
        print(f"FAIL  {fault}")
    passed, failed = 0, len(faults)

    with contextlib.ExitStack() as cleanup:
        scratch = pathlib.Path(cleanup.enter_context(tempfile.TemporaryDirectory()))
        engine = emulator.start_engine(scratch, cleanup)
        running = {}
        for event in events:
            if event.function not in functions:
                continue
            if event.function not in running:
                running[event.function] = Function(functions[event.function], engine, scratch, cleanup)
            function = running[event.function]
            started = time.monotonic()
            try:
                function.new_log_lines()
                answer = function.invoke(event.text)
                faults = [*check(event, answer, document), *check_line(event, function.new_log_lines())]
                outcome = f"{answer.get('statusCode')}"
            except (OSError, ValueError) as error:
                faults, outcome = [f"no answer: {error}"], "-"
            faults += function.gate.denials()
            duration = f"{(time.monotonic() - started) * 1000:.0f} ms"
            print(f"{'FAIL' if faults else 'ok':4}  {event.path.stem:40} {outcome} {duration:>8}", flush=True)
            for fault in faults:
                print(f"        {fault}")
            if faults:
                failed += 1
                print("".join(f"        | {line}\n" for line in function.log.read_text(errors="replace").splitlines()[-20:]), end="")
            else:
                passed += 1
        for name in ("health", "login", "create-task"):
            faults = list(check_other_shapes(running[name]))
            print(f"{'FAIL' if faults else 'ok':4}  {name}: events of other shapes")
            for fault in faults:
                print(f"        {fault}")
            passed, failed = passed + (not faults), failed + bool(faults)
        stack.record("functions", set().union(*(function.gate.used for function in running.values())))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


class Event:
    """A sample event: FUNCTION.json must succeed, FUNCTION.STATUS-WHAT.json must answer STATUS."""

    def __init__(self, path):
        self.path = path
        self.function, _, rest = path.stem.partition(".")
        self.status = int(rest.partition("-")[0]) if rest else None
        if self.function == "not-found":
            self.status = self.status or 404
        self.text = path.read_text(encoding="utf-8")
        self.event = json.loads(self.text)
        self.method = self.event["requestContext"]["http"]["method"]

    def order(self):
        """Reads first, then refused requests, then writes, because the store is filled only once."""
        if self.method in ("GET", "HEAD"):
            phase = 0
        elif self.status and self.status >= 400:
            phase = 1
        elif self.function in LAST:
            phase = 3 + LAST.index(self.function)
        else:
            phase = 2
        return phase, self.path.stem


class Function(emulator.Running):
    """A function of the API, with a gate for its DynamoDB calls."""

    def __init__(self, function, engine, scratch, cleanup):
        self.gate = Gate(function, engine)
        cleanup.callback(self.gate.close)
        environment = dict(function.environment)
        if "DATABASE_URL" in environment:
            environment["DATABASE_URL"] = f"dynamodb://{HOST}:{self.gate.port}"
        super().__init__(function, environment, scratch, cleanup)


class Gate:
    """Forwards a function's DynamoDB calls to the engine, if its IAM policy allows them."""

    def __init__(self, function, engine):
        refused, used = [], set()
        self.refused, self.used = refused, used

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                action = self.headers["x-amz-target"].partition(".")[2]
                needed = set(stack.needed(action, json.loads(body)))
                used.update((function.name, *call) for call in needed)
                missing = sorted(needed - function.permissions)
                if missing:
                    refused.extend(missing)
                    refusal = {"__type": "com.amazon.coral.service#AccessDeniedException", "Message": f"{missing}"}
                    self.reply(400, "application/x-amz-json-1.0", json.dumps(refusal).encode())
                    return
                connection = http.client.HTTPConnection(HOST, engine, timeout=PATIENCE)
                with contextlib.closing(connection):
                    connection.request("POST", self.path, body, dict(self.headers))
                    response = connection.getresponse()
                    self.reply(response.status, response.headers["content-type"], response.read())

            def reply(self, status, content_type, body):
                self.send_response(status)
                self.send_header("content-type", content_type)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer((HOST, 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=[0.05], daemon=True).start()

    def denials(self):
        """The calls that were refused since the last time."""
        denials = [f"template.yaml does not allow {action} on {resource}" for action, resource in self.refused]
        self.refused.clear()
        return denials

    def close(self):
        self.server.shutdown()
        self.server.server_close()


# Events of other sources: a REST API, a load balancer, a queue, a schedule, a warm-up ping, anything else.
OTHER_SHAPES = {
    "REST API": {"version": "1.0", "resource": "/v1/tasks", "path": "/v1/tasks", "httpMethod": "GET", "headers": None, "body": None},
    "load balancer": {"requestContext": {"elb": {"targetGroupArn": "arn"}}, "httpMethod": "GET", "path": "/", "headers": {}, "body": ""},
    "WebSocket": {"requestContext": {"routeKey": "$connect", "connectionId": "1"}, "isBase64Encoded": False},
    "queue": {"Records": [{"messageId": "1", "body": "the-secret", "eventSource": "aws:sqs"}]},
    "schedule": {"version": "0", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}},
    "ping": {},
    "list": [],
    "null": None,
    "text": "the-secret",
    "number": 1e300,
    "deep": {"version": "2.0", "rawPath": "/", "requestContext": {"http": {"method": {"a": [[[[[[1]]]]]]}}}},
    "wrong types": {"version": "2.0", "rawPath": 1, "requestContext": [], "headers": [1], "body": {}},
    "no method": {"version": "2.0", "rawPath": "/", "requestContext": {"http": {"method": "the secret"}}},
    "no base64": {"version": "2.0", "rawPath": "/", "requestContext": {"http": {"method": "POST"}}, "body": "?", "isBase64Encoded": True},
}


def check_other_shapes(function):
    """Each is refused with a problem that says what the function is for, and with one log line that does not quote it."""
    function.new_log_lines()
    for name, event in OTHER_SHAPES.items():
        answer = function.invoke(json.dumps(event))
        problem = json.loads(answer.get("body") or "{}")
        if answer.get("statusCode") != 400 or "payload format 2.0" not in problem.get("detail", ""):
            yield f"{name}: {answer}"
        lines = [line for line in function.new_log_lines() if '"event"' in line]
        if len(lines) != 1 or "unsupported_event" not in lines[0] or "secret" in lines[0]:
            yield f"{name}: the log says {lines}"


def check_line(event, lines):
    """The log has one line for a request, with its source and the identifiers of the gateway's and Lambda's own lines."""
    written = [json.loads(line) for line in lines if '"event":"request"' in line]
    if len(written) != 1:
        yield f"the log says {lines}"
        return
    line, context = written[0], event.event["requestContext"]
    wanted = {"request_id": context["requestId"], "source": context["http"]["sourceIp"]}
    wrong = {name: line.get(name) for name, value in wanted.items() if line.get(name) != value}
    if wrong or not line.get("lambda_request_id") or line["lambda_request_id"] == line["request_id"]:
        yield f"the log says {line}"
    if event.function in ("login", "register") and line["status"] in (401, 409) and not line.get("account"):
        yield f"the log line has no account: {line}"


def check(event, answer, document):
    """The faults of an answer."""
    if "statusCode" not in answer:
        yield f"no payload 2.0 response: {answer}"
        return
    headers, body = answer.get("headers"), answer.get("body")
    if not isinstance(answer["statusCode"], int):
        yield f"statusCode is not a number: {answer['statusCode']!r}"
    if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
        yield f"headers are not an object of strings: {headers!r}"
        return
    if not isinstance(answer.get("isBase64Encoded"), bool):
        yield f"isBase64Encoded is not a boolean: {answer.get('isBase64Encoded')!r}"
    if not isinstance(body, str | None):
        yield f"body is not a string: {body!r}"
        return
    headers = {name.lower(): value for name, value in headers.items()}
    body = body or ""
    if answer.get("isBase64Encoded"):
        body = base64.b64decode(body).decode()

    responses = documented(event, document)
    status = event.status or next((int(code) for code in responses if code.startswith("2")), None)
    if answer["statusCode"] != status:
        yield f"status is {answer['statusCode']}, not {status}: {body}"
        return
    if str(status) not in responses:
        yield f"functions/system/openapi.json does not document {status}"
        return
    response = resolve(responses[str(status)], document)

    for name, header in response.get("headers", {}).items():
        if resolve(header, document).get("required") and name.lower() not in headers:
            yield f"the header {name} is missing"
    content = response.get("content")
    if event.method == "HEAD" or not content:
        if body:
            yield f"there must be no body: {body}"
        return
    media_type = headers.get("content-type", "").partition(";")[0]
    if media_type not in content:
        yield f"content-type is {media_type!r}, not {' or '.join(content)}"
        return
    try:
        value = json.loads(body)
    except ValueError as error:
        yield f"the body is not JSON: {error}"
        return
    # The components are included, so that the schema's references resolve.
    schema = content[media_type]["schema"] | {"components": document["components"]}
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    for error in validator.iter_errors(value):
        yield f"body{error.json_path[1:]}: {error.message}"
    if status >= 400 and value.get("status") != status:
        yield f"the problem's status is {value.get('status')}"


def documented(event, document):
    """The documented responses of the operation that an event calls, by status."""
    if event.function == "not-found":
        problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
        return {str(event.status): {"content": problem}}
    method, _, path = event.event["routeKey"].partition(" ")
    operation = document["paths"].get(path, {}).get("get" if method == "HEAD" else method.lower(), {})
    return operation.get("responses", {})


def resolve(value, document):
    """What a local reference refers to."""
    while "$ref" in value:
        reference = value["$ref"]
        value = document
        for part in reference.removeprefix("#/").split("/"):
            value = value[part]
    return value


# A signal also stops the started processes.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
sys.exit(main())
