"""What template.yaml gives each function: its settings, its limits and its permissions."""

import pathlib
import re
from dataclasses import dataclass

import yaml

# The stack's name in samconfig.toml.
STACK_NAME = "tasklane"
ROOT = pathlib.Path(__file__).resolve().parent.parent
# The recorded calls.
CALLS = ROOT / "target" / "calls"


class _Loader(yaml.SafeLoader):
    """Expands CloudFormation's short tags: `!Ref X` as `{"Ref": "X"}`."""


def _intrinsic(loader, suffix, node):
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        return {name: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    return {name: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _intrinsic)


@dataclass(frozen=True)
class Function:
    """One function of the stack."""

    name: str
    environment: dict
    memory: int
    timeout: int
    # Pairs of an action and a resource, as "dynamodb:GetItem" and "table/tasklane-tasks/index/by_due".
    permissions: frozenset
    # Whether it answers requests of the API.
    endpoint: bool


def functions(settings):
    """Every function, with its settings from `settings`, or else from the parameters' defaults."""
    template = yaml.load((ROOT / "template.yaml").read_text(encoding="utf-8"), _Loader)
    resources, shared = template["Resources"], template["Globals"]["Function"]
    stack = [r for r in resources.values() if r["Type"] == "AWS::Serverless::Function"]

    environments = [
        shared["Environment"]["Variables"] | r["Properties"].get("Environment", {}).get("Variables", {}) for r in stack
    ]
    # Tables have no names in the template; locally they have the names of the settings that refer to them.
    tables = {
        value["Ref"]: settings[name]
        for environment in environments
        for name, value in environment.items()
        if isinstance(value, dict) and resources.get(value.get("Ref"), {}).get("Type") == "AWS::DynamoDB::Table"
    }

    def setting(name, value):
        return settings[name] if name in settings else plain(name, value)

    def plain(name, value):
        if not isinstance(value, dict):
            return value
        if "Default" in (parameter := template["Parameters"].get(value.get("Ref"), {})):
            return parameter["Default"]
        text = str(value.get("Fn::Sub", "${}")).replace("${AWS::StackName}", STACK_NAME)
        if "${" in text:
            raise SystemExit(f"{name} has no value: events/env.json must give one")
        return text

    for resource, environment in zip(stack, environments):
        properties = shared | resource["Properties"]
        yield Function(
            name=resource["Metadata"]["BuildProperties"]["Binary"],
            environment={name: setting(name, value) for name, value in environment.items()},
            memory=plain("MemorySize", properties["MemorySize"]),
            timeout=properties["Timeout"],
            permissions=frozenset(
                (action, _resource(resource_arn, tables))
                for policy in properties.get("Policies", [])
                # Further permissions, for parameters without their default value, are checked by .ci/check_stack.py.
                if "Fn::If" not in policy
                for statement in policy["Statement"]
                for action in _list(statement["Action"])
                for resource_arn in _list(statement["Resource"])
            ),
            endpoint="Events" in properties,
        )


def needed(action, body):
    """The permissions that a DynamoDB call needs, as pairs like those of `Function.permissions`."""
    if action == "TransactWriteItems":
        parts = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
        for item in body["TransactItems"]:
            for part, call in item.items():
                yield f"dynamodb:{parts[part]}", f"table/{call['TableName']}"
    elif action == "TransactGetItems":
        for item in body["TransactItems"]:
            yield "dynamodb:GetItem", f"table/{item['Get']['TableName']}"
    elif action in ("BatchGetItem", "BatchWriteItem"):
        for table in body["RequestItems"]:
            yield f"dynamodb:{action}", f"table/{table}"
    else:
        index = f"/index/{body['IndexName']}" if "IndexName" in body else ""
        yield f"dynamodb:{action}", f"table/{body['TableName']}{index}"


def record(source, calls):
    """Writes recorded calls, triples of function, action and resource, for .ci/check_policies.py."""
    CALLS.mkdir(parents=True, exist_ok=True)
    (CALLS / source).write_text("".join(f"{' '.join(call)}\n" for call in sorted(calls)), encoding="utf-8")


def _resource(arn, tables):
    """`!GetAtt UsersTable.Arn` and `!Sub "${TasksTable.Arn}/index/by_due"` without region and account."""
    text = arn["Fn::Sub"] if "Fn::Sub" in arn else "${%s}" % arn["Fn::GetAtt"]
    return re.sub(r"\$\{(\w+)\.Arn\}", lambda match: f"table/{tables[match[1]]}", text)


def _list(value):
    return value if isinstance(value, list) else [value]
