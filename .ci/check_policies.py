#!/usr/bin/env python3
"""Compares each function's IAM policy in template.yaml with the calls of the function.

The calls were recorded while all the stories ran (server/tests/stories, with TASKLANE_RECORD_CALLS at
target/calls/stories), by .ci/check_functions.py and by .ci/check_keys.py: all of them run before this. A call that is
not allowed fails, and so does a permission that no call used. The parts of a transaction need a permission each.
Prints the policies as a table.
"""

import json
import sys

import stack

SETTINGS = json.loads((stack.ROOT / "events" / "env.json").read_text(encoding="utf-8"))["Parameters"]


def main():
    used = set(stories())
    for source in ("functions", "keys"):
        used |= {tuple(line.split()) for line in recorded(source)}

    faults = []
    functions = {function.name: function for function in stack.functions(SETTINGS)}
    for function, action, resource in sorted(used):
        if (action, resource) not in functions[function].permissions:
            faults.append(f"{function} uses {action} on {resource}, which its policy does not allow")
    for function in functions.values():
        for action, resource in sorted(function.permissions):
            if "*" in action:
                faults.append(f"{function.name} has {action}: actions are named one by one")
            elif (function.name, action, resource) not in used:
                faults.append(f"{function.name} is allowed {action} on {resource}, which nothing used")
        print(f"{function.name:22} {describe(function.permissions)}")
    for fault in faults:
        print(f"FAIL  {fault}")
    print(f"{sum(len(function.permissions) for function in functions.values())} permissions, {len(used)} kinds of calls, {len(faults)} faults")
    return 1 if faults else 0


def stories():
    """The calls of the stories."""
    for line in recorded("stories"):
        call = json.loads(line)
        for action, resource in stack.needed(call["operation"], call["body"]):
            yield call["function"], action, resource


def recorded(source):
    path = stack.CALLS / source
    if not path.exists():
        raise SystemExit(f"{path} is missing: .ci/run creates it")
    return path.read_text(encoding="utf-8").splitlines()


def describe(permissions):
    """Permissions by resource: `table/tasklane-users: GetItem, PutItem`."""
    resources = {}
    for action, resource in sorted(permissions):
        resources.setdefault(resource, []).append(action.partition(":")[2])
    by_actions = {}
    for resource, actions in resources.items():
        by_actions.setdefault(", ".join(actions), []).append(resource)
    return "; ".join(f"{actions} on {' '.join(names)}" for actions, names in sorted(by_actions.items())) or "nothing"


sys.exit(main())
