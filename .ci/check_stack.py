#!/usr/bin/env python3
"""Deploys the stack to an emulated AWS: creates, updates and deletes the stack of template.yaml.

aws-sam-translator expands the template for CloudFormation; moto emulates CloudFormation and the other services. The
signing keys are created by the real function, under the Lambda Runtime Interface Emulator. Then every parameter's
constraints are checked with valid and invalid values, which moto does not do, and the stack's size is compared with
CloudFormation's limit. Needs `cargo build --workspace --bins`.
"""

import contextlib
import json
import logging
import os
import pathlib
import re
import signal
import sys
import tempfile
import time
import uuid
import warnings

import boto3
import moto
import moto.cloudformation.parsing as parsing
from moto.cloudformation.custom_model import CustomModel
from moto.server import ThreadedMotoServer
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

import cloudformation
import emulator
import stack

REGION = "eu-central-1"
STACK = "tasklane"

# CloudFormation refuses templates with more than 500 resources. docs/architecture.md says what to do before that.
MOST_RESOURCES = 400

# Resource types that moto's CloudFormation does not support, so they are not tested here.
UNKNOWN = {
    "AWS::ApiGatewayV2::Api",
    "AWS::ApiGatewayV2::ApiMapping",
    "AWS::ApiGatewayV2::DomainName",
    "AWS::ApiGatewayV2::Stage",
    "AWS::Backup::BackupPlan",
    "AWS::Backup::BackupSelection",
    "AWS::Backup::BackupVault",
    "AWS::CloudTrail::Trail",
    "AWS::CloudWatch::Alarm",
    "AWS::CodeDeploy::Application",
    "AWS::CodeDeploy::DeploymentGroup",
    "AWS::Lambda::Alias",
    "AWS::Logs::MetricFilter",
    "AWS::SNS::Subscription",
}

# Outputs and resources that need attributes of these.
UNKNOWN_OUTPUTS = ["ApiUrl", "JwksUrl", "OpenApiUrl"]
UNKNOWN_RESOURCES = ["DomainRecord"]

CERTIFICATE = "arn:aws:acm:eu-central-1:123456789012:certificate/0aa0-11"
KMS_KEY = "arn:aws:kms:eu-central-1:123456789012:key/0aa0-11"

SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:tasklane/database-Ab12Cd"

# Valid and invalid values of every parameter.
VALUES = {
    "Architecture": (["arm64", "x86_64"], ["", "ARM64", "x86"]),
    "DatabaseUrl": (
        [
            "dynamodb://",
            "mongodb+srv://db.example/",
            "mongodb://ada@a.example:27017,b.example:27018/tasklane?authMechanism=MONGODB-X509&tls=true",
            "mongodb+srv://db.example/tasklane?authSource=$external&authMechanism=MONGODB-AWS",
            "mongodb://[::1]:27017",
            f"secretsmanager:{SECRET}",
        ],
        # None of them contains a password.
        [
            "",
            "dynamodb://127.0.0.1:8000",
            "postgres://db",
            "mongodb://",
            "mongodb://a b",
            "mongodb://ada:x@db.example/tasklane",
            "mongodb+srv://ada:x@db.example",
            "mongodb://ada:x/y@db.example",
            "mongodb://ada:x?y@db.example",
            "mongodb://ada:@db.example",
            "secretsmanager:tasklane",
            "secretsmanager:arn:aws:ssm:eu-central-1:123456789012:parameter/tasklane",
        ],
    ),
    "LogLevel": (["error", "debug"], ["", "INFO", "trace"]),
    "CorsOrigins": (
        ["", "https://app.example.com", "http://localhost:5173", "http://[::1]:3000", "capacitor://localhost", "chrome-extension://abcdef"],
        ["*", "null", "app.example.com", "https://a/b", "https://a/", "https://a b", "https://App.example.com", "https://ex\u00e4mple.com", "https://*.a"],
    ),
    "TokenIssuer": (["tasklane", "https://a.example"], ["", "a b", "ä"]),
    "TokenAudience": (["tasklane"], ["", "a b", "x" * 256]),
    "KeyVersion": (["1", "2026-03-01"], ["", "a/b", "../1", "x" * 33, "1\n"]),
    "KeyEpoch": (["1", "2026-03-01"], ["", "a/b", "../1", "x" * 33]),
    "MemorySize": (["128", "10240"], ["64", "10241"]),
    "PasswordMemorySize": (["256", "3008"], ["128", "20000"]),
    "ReservedConcurrency": (["0", "100"], ["-1", "1001"]),
    "ThrottlingRate": (["1", "10000"], ["0", "10001"]),
    "ThrottlingBurst": (["1", "5000"], ["0", "5001"]),
    "AuthThrottlingRate": (["20", "80"], ["0", "10001"]),
    "AuthThrottlingBurst": (["40", "160"], ["0", "5001"]),
    "Tracing": (["Active", "PassThrough"], ["", "On"]),
    "LogRetentionDays": (["1", "3653"], ["0", "2", "10000"]),
    "BackupRetentionDays": (["0", "35"], ["-1", "3651"]),
    "DeletionProtection": (["true", "false"], ["", "yes", "True"]),
    "KmsKeyArn": (["", KMS_KEY], ["alias/aws/dynamodb", "arn:aws:kms:eu-central-1:123456789012:alias/tasklane", "key"]),
    "AuditBucket": (["", "audit.example-1"], ["Audit", "a", "arn:aws:s3:::audit", "-audit"]),
    "AlarmEmail": (["", "ada@example.com"], ["ada", "a b@example.com", "ada@example"]),
    "DeploymentType": (["AllAtOnce", "Canary10Percent5Minutes"], ["", "Canary"]),
    "DomainName": (["", "api.example.com"], ["https://api.example.com", "API.example.com", "example", "-a.example.com"]),
    "CertificateArn": (["", CERTIFICATE], ["certificate", KMS_KEY]),
    "HostedZoneId": (["", "Z0123456789"], ["zone", "/hostedzone/Z1"]),
}


class Keys(CustomModel):
    """The custom resource: invokes the real function as CloudFormation would."""

    # moto registers its models by module.
    __module__ = CustomModel.__module__
    world = None

    @classmethod
    def create_from_cloudformation_json(cls, resource_name, cloudformation_json, account_id, region_name, **more):
        made = cls(region_name, "", more["LogicalId"], resource_name)
        made.stack_id, made.properties = more["StackId"], cloudformation_json["Properties"]
        made.take(cls.ask("Create", made))
        return made

    @classmethod
    def update_from_cloudformation_json(cls, original_resource, cloudformation_json, **_):
        made = original_resource
        old, before = made.properties, made.resource_name
        made.properties = cloudformation_json["Properties"]
        if made.properties == old:
            return made
        made.take(cls.ask("Update", made, PhysicalResourceId=before, OldResourceProperties=old))
        if made.resource_name != before:
            # CloudFormation does this at the end of an update.
            cls.ask("Delete", made, PhysicalResourceId=before, ResourceProperties=old)
        return made

    @classmethod
    def delete_from_cloudformation_json(cls, resource_name, *_):
        made = cls.world.resource
        cls.ask("Delete", made, PhysicalResourceId=made.resource_name)

    @classmethod
    def ask(cls, kind, made, **more):
        cls.world.resource = made
        request = {
            "RequestType": kind,
            "RequestId": str(uuid.uuid4()),
            "ResponseURL": cls.world.answers.url,
            "StackId": made.stack_id,
            "LogicalResourceId": made.logical_id,
            "ResourceProperties": made.properties,
        }
        cls.world.function.invoke(json.dumps(request | more))
        answer = cls.world.answers.pop()
        assert answer["Status"] == "SUCCESS", answer
        return answer

    def take(self, answer):
        self.resource_name = answer["PhysicalResourceId"]
        self.set_data(answer["Data"])


def follow_changes():
    """moto updates resources that refer to a changed parameter, but not their dependents. CloudFormation updates both, in order."""
    differences = parsing.ResourceMap.build_resource_diff

    def build_resource_diff(self, other_template, parameters=None):
        found = differences(self, other_template, parameters)
        if "SigningKeys" in found["Modify"]:
            resources = other_template["Resources"].items()
            depend = [name for name, resource in resources if '"SigningKeys' in json.dumps(resource) or "{SigningKeys" in json.dumps(resource)]
            rest = [name for name in found["Modify"] if name != "SigningKeys" and name not in depend]
            found["Modify"] = ["SigningKeys", *depend, *rest]
        return found

    parsing.ResourceMap.build_resource_diff = build_resource_diff


class World:
    def __init__(self, scratch, cleanup):
        self.answers = cloudformation.Answers()
        cleanup.callback(self.answers.close)
        # The function is another process, so it reaches the same moto through a port.
        port = emulator.free_port()
        served = ThreadedMotoServer(ip_address=emulator.HOST, port=port, verbose=False)
        served.start()
        cleanup.callback(served.stop)
        settings = json.loads((stack.ROOT / "events" / "env.json").read_text(encoding="utf-8"))["Parameters"]
        function = next(function for function in stack.functions(settings) if function.name == "make-keys")
        environment = function.environment | {"AWS_ENDPOINT_URL_DYNAMODB": f"http://{emulator.HOST}:{port}"}
        self.function = emulator.Running(function, environment, scratch, cleanup)
        self.resource = None


def read_template():
    return yaml_parse((stack.ROOT / "template.yaml").read_text(encoding="utf-8"))


def expanded(template, parameters):
    """The template for CloudFormation, with the code where `sam deploy` would upload it."""
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://code/function.zip"

    class Policies:
        def load(self):
            names = ["service-role/AWSLambdaBasicExecutionRole", "AWSXrayWriteOnlyAccess", "service-role/AWSCodeDeployRoleForLambda"]
            return {name.rpartition("/")[2]: f"arn:aws:iam::aws:policy/{name}" for name in names}

    return transform(template, parameters, Policies())


def transformed(template, parameters):
    """The template for moto: the one for CloudFormation, without resources that moto does not support."""
    body = expanded(template, parameters)
    for name in UNKNOWN_OUTPUTS:
        del body["Outputs"][name]
    for name in UNKNOWN_RESOURCES:
        del body["Resources"][name]
    for resource in body["Resources"].values():
        # moto does not support aliases, so a permission on an alias is given to its function here.
        if resource["Type"] == "AWS::Lambda::Permission":
            resource["Properties"]["FunctionName"] = {"Ref": resource["Properties"]["FunctionName"]["Ref"].removesuffix("Aliaslive")}
    return body


def main():
    # Unsupported types are compared with a list below, which is more precise than moto's warnings.
    warnings.filterwarnings("ignore", module="moto")
    for name in ("moto", "werkzeug", "samtranslator"):
        logging.getLogger(name).setLevel(logging.ERROR)
    template = read_template()
    parameters = {name: str(parameter.get("Default", "")) for name, parameter in template["Parameters"].items()}
    with contextlib.ExitStack() as cleanup:
        scratch = pathlib.Path(cleanup.enter_context(tempfile.TemporaryDirectory()))
        cleanup.enter_context(moto.mock_aws(config={"lambda": {"use_docker": False}}))
        os.environ["AWS_DEFAULT_REGION"] = REGION
        session = boto3.Session("local", "local", region_name=REGION)
        session.client("s3").create_bucket(Bucket="code", CreateBucketConfiguration={"LocationConstraint": REGION})
        session.client("s3").put_object(Bucket="code", Key="function.zip", Body=b"PK\5\6" + bytes(18))
        Keys.world = World(scratch, cleanup)
        parsing.CustomModel = Keys
        follow_changes()
        deployment = Deployment(session, parameters)

        step("created", deployment.create)
        step("rotated", deployment.update, KeyVersion="2")
        step("all keys thrown away", deployment.update, KeyEpoch="2", MemorySize="512", ReservedConcurrency="5")
        step("deleted", deployment.delete)
        # A new stack, because moto cannot change tables.
        everything = {
            "KmsKeyArn": KMS_KEY,
            "AlarmEmail": "ada@example.com",
            "AuditBucket": "audit",
            "DatabaseUrl": f"secretsmanager:{SECRET}",
            "DomainName": "api.example.com",
            "CertificateArn": CERTIFICATE,
            "CorsOrigins": "https://app.example.com",
            "BackupRetentionDays": "0",
            "DeletionProtection": "false",
        }
        deployment = Deployment(session, parameters | everything)
        step("created with every parameter", deployment.create)
        step("deleted", deployment.delete)
    print(f"      not tested, because moto does not support them: {', '.join(sorted(UNKNOWN))}")
    resources = expanded(read_template(), parameters)["Resources"]
    step("the stack has room to grow", check_size, resources)
    step("every function is watched", check_watched, resources)
    step("every table is encrypted alike", check_encrypted, template["Resources"])
    step("every parameter is constrained", check_values, template["Parameters"])
    return 0


def step(name, work, *arguments, **named):
    started = time.monotonic()
    told = work(*arguments, **named)
    print(f"ok    {name}: {told}, {time.monotonic() - started:.1f} s", flush=True)


class Deployment:
    def __init__(self, session, parameters):
        self.session, self.parameters, self.public_keys = session, parameters, None
        self.formation = session.client("cloudformation")

    def create(self):
        body = self.body()
        self.formation.create_stack(StackName=STACK, TemplateBody=json.dumps(body), Parameters=self.given())
        return self.check(body, "CREATE_COMPLETE")

    def update(self, **changes):
        self.parameters = self.parameters | changes
        body = self.body()
        self.formation.update_stack(StackName=STACK, TemplateBody=json.dumps(body), Parameters=self.given())
        return self.check(body, "UPDATE_COMPLETE")

    def delete(self):
        self.formation.delete_stack(StackName=STACK)
        left = self.session.client("lambda").list_functions()["Functions"]
        assert left == [], left
        kept = set(self.session.client("dynamodb").list_tables()["TableNames"])
        assert self.tables <= kept, "the tables are kept"
        assert self.keys_table not in kept, "the keys are deleted with the stack"
        return "no function and no key is left, the tables are"

    def body(self):
        return transformed(read_template(), self.parameters)

    def given(self):
        return [{"ParameterKey": name, "ParameterValue": value} for name, value in self.parameters.items()]

    def check(self, body, status):
        told = self.formation.describe_stacks(StackName=STACK)["Stacks"][0]
        assert told["StackStatus"] == status, told
        types = {resource["Type"] for resource in body["Resources"].values()}
        unknown = {kind for kind in types if not kind.startswith("Custom::") and kind not in parsing.get_model_map()}
        assert unknown == UNKNOWN, f"moto does not support {unknown - UNKNOWN}, and supports {UNKNOWN - unknown}"
        there = {resource["LogicalResourceId"] for resource in self.formation.list_stack_resources(StackName=STACK)["StackResourceSummaries"]}
        wanted = {name for name, resource in body["Resources"].items() if resource["Type"] not in UNKNOWN and self.has(resource, body)}
        assert wanted <= there, f"not created: {wanted - there}"
        self.check_tables()
        self.check_functions()
        self.check_secret(body)
        return f"{len(wanted)} of {len(body['Resources'])} resources"

    def has(self, resource, body):
        conditions = {"HasHostedZone": "HostedZoneId", "HasDomain": "DomainName", "HasAlarmEmail": "AlarmEmail", "HasAuditBucket": "AuditBucket"}
        condition = resource.get("Condition")
        if condition == "HasBackups":
            return self.parameters["BackupRetentionDays"] != "0"
        if condition == "HasDatabaseSecret":
            return self.parameters["DatabaseUrl"].startswith("secretsmanager:")
        return condition is None or bool(self.parameters[conditions[condition]])

    def check_functions(self):
        """Every function has the settings of the template, and the current keys."""
        kept, found = self.kept_keys(), set()
        assert len(kept) == 1, kept
        functions = self.session.client("lambda").get_paginator("list_functions").paginate()
        functions = [function for page in functions for function in page["Functions"]]
        declared = [r for r in read_template()["Resources"].values() if r["Type"] == "AWS::Serverless::Function"]
        assert len(functions) == len(declared), len(functions)
        for function in functions:
            variables = function.get("Environment", {}).get("Variables", {})
            assert sum(len(name) + len(value) for name, value in variables.items()) < 4096, "Lambda accepts less"
            if "TASKLANE_SIGNING_KEYS" in variables:
                assert variables["TASKLANE_SIGNING_KEYS"] == f"dynamodb:{kept[0]}", variables
                assert variables["TASKLANE_KEYS_TABLE"] == self.keys_table, variables
            found.add(variables.get("TASKLANE_PUBLIC_KEYS"))
        public = [json.loads(keys)["keys"] for keys in found if keys]
        assert len(public) == 1 and len(public[0]) >= 2, public
        assert public[0] != self.public_keys, "another version has different keys"
        self.public_keys = public[0]

    def check_secret(self, body):
        """Only functions that read the store may read the secret with its URL, if there is one."""
        given = {"Fn::If": ["HasDatabaseSecret", {"Ref": "DatabaseSecretPolicy"}, {"Ref": "AWS::NoValue"}]}
        resources = body["Resources"]
        for name, function in ((name, r["Properties"]) for name, r in resources.items() if r["Type"] == "AWS::Lambda::Function"):
            reads = "DATABASE_URL" in function["Environment"]["Variables"]
            assert (given in resources[function["Role"]["Fn::GetAtt"][0]]["Properties"]["ManagedPolicyArns"]) == reads, name
        iam = self.session.client("iam")
        made = [p for p in iam.list_policies(Scope="Local")["Policies"] if "DatabaseSecretPolicy" in p["PolicyName"]]
        assert len(made) == self.parameters["DatabaseUrl"].startswith("secretsmanager:"), made
        for policy in made:
            version = iam.get_policy_version(PolicyArn=policy["Arn"], VersionId=policy["DefaultVersionId"])["PolicyVersion"]
            (statement,) = version["Document"]["Statement"]
            assert (statement["Action"], statement["Resource"]) == (["secretsmanager:GetSecretValue"], SECRET), statement

    def check_tables(self):
        tables = self.session.client("dynamodb")
        resources = self.formation.list_stack_resources(StackName=STACK)["StackResourceSummaries"]
        names = {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in resources if r["ResourceType"] == "AWS::DynamoDB::Table"}
        assert set(names) == {"UsersTable", "TasksTable", "KeysTable"}, names
        protected = self.parameters["DeletionProtection"] == "true"
        for logical, name in names.items():
            table = tables.describe_table(TableName=name)["Table"]
            assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST", table
            # The keys are deleted with the stack.
            assert table.get("DeletionProtectionEnabled", False) == (protected and logical != "KeysTable"), table
        self.keys_table = names.pop("KeysTable")
        self.tables = set(names.values())

    def kept_keys(self):
        return [item["name"]["S"] for item in self.session.client("dynamodb").scan(TableName=self.keys_table)["Items"]]


def check_size(resources):
    """Counts the resources, with or without a condition, as CloudFormation does; SAM names those of a function after it."""
    counts, rest = {}, set(resources)
    for function in of_type(resources, "AWS::Lambda::Function"):
        made = {name for name in rest if name.startswith(function)}
        counts.setdefault(len(made), []).append(function.removesuffix("Function"))
        rest -= made
    told = [f"{len(resources)} resources of at most {MOST_RESOURCES}"]
    told += [f"{count} for each of {', '.join(sorted(functions))}" for count, functions in sorted(counts.items())]
    told = "\n      ".join([*told, f"{len(rest)} for everything else"])
    assert len(resources) <= MOST_RESOURCES, told
    return told


def check_watched(resources):
    """Crashes of every function are counted: it logs to the filter's log group, and the alarm rolls its deployment back."""
    filtered = resources["CrashesFilter"]["Properties"]
    functions = of_type(resources, "AWS::Lambda::Function")
    for name, function in functions.items():
        logging_config = function["LoggingConfig"]
        assert logging_config["LogGroup"] == filtered["LogGroupName"], f"{name} has a separate log group: {logging_config}"
        # Lambda reports in the JSON that the filter reads; at this level it reports every invocation.
        assert (logging_config["LogFormat"], logging_config["SystemLogLevel"]) == ("JSON", "INFO"), f"{name}: {logging_config}"

    (counted,) = filtered["MetricTransformations"]
    alarm = resources["CrashesAlarm"]["Properties"]
    assert (alarm["Namespace"], alarm["MetricName"]) == (counted["MetricNamespace"], counted["MetricName"]), alarm

    groups = of_type(resources, "AWS::CodeDeploy::DeploymentGroup")
    # All except the function that creates keys, which only CloudFormation calls.
    assert len(groups) == len(functions) - 1, f"{len(groups)} deployment groups, {len(functions)} functions"
    for name, group in groups.items():
        assert {"Name": {"Ref": "CrashesAlarm"}} in group["AlarmConfiguration"]["Alarms"], name
    return f"{len(functions)} functions"


def of_type(resources, kind):
    """The properties of the resources of one type, by name."""
    return {name: resource["Properties"] for name, resource in resources.items() if resource["Type"] == kind}


def check_encrypted(resources):
    """Every table uses the key of KmsKeyArn if it is set, the signing keys included. moto does not check this."""
    found = [json.dumps(r["Properties"]["SSESpecification"]) for r in resources.values() if r["Type"] == "AWS::DynamoDB::Table"]
    assert len(found) == 3 and len(set(found)) == 1 and "KmsKeyArn" in found[0], found
    return f"{len(found)} tables"


def check_values(parameters):
    assert set(VALUES) == set(parameters), f"no values for {set(parameters) ^ set(VALUES)}"
    tried = 0
    for name, parameter in parameters.items():
        assert allows(parameter, str(parameter.get("Default"))), f"{name}: its default is refused"
        for values, wanted in zip(VALUES[name], (True, False)):
            for value in values:
                tried += 1
                assert allows(parameter, value) == wanted, f"{name}: {value!r} is {'refused' if wanted else 'accepted'}"
    return f"{tried} values"


def allows(parameter, value):
    """Whether CloudFormation accepts this value."""
    if parameter["Type"] == "Number":
        number = float(value)
        if not parameter.get("MinValue", number) <= number <= parameter.get("MaxValue", number):
            return False
    if "AllowedValues" in parameter and value not in map(str, parameter["AllowedValues"]):
        return False
    values = value.split(",") if parameter["Type"] == "CommaDelimitedList" else [value]
    return all(re.fullmatch(parameter.get("AllowedPattern", r"[\s\S]*"), value) for value in values)


# A signal also stops the started processes.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
sys.exit(main())
