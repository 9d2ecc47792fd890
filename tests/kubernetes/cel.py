"""Kubernetes' admission policies, evaluated by Google's CEL (C++) over a pod.

What Kubernetes adds to CEL is stood in for: its `JSONPatch` and `Object` types (written as maps before the expression is
compiled), `variables`, and the string functions that this CEL lacks. Not stood in for: Kubernetes' own type checker, its cost
limits, and the rounds of reinvocation. So that its checker has nothing to object to, map and list literals of mixed types are
refused here as they are there.
"""

from __future__ import annotations

import copy
import json
import re
from typing import Any

from cel_expr_python import cel
from cel_expr_python.ext import ext_strings
from jsonpatch import JsonPatch

Object = dict[str, Any]

TYPE = "__type__"
STRUCT = re.compile(r"\b(JSONPatch|Object(?:\.[A-Za-z]+)*)\{")
FIELD = re.compile(r"\s*([A-Za-z]+):\s*")
TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')


def as_maps(expression: str) -> str:
    """`Object.spec{name: x}` as `{"__type__": dyn("Object.spec"), "name": dyn(x)}`."""
    out, at, depth = [], 0, []
    while at < len(expression):
        if text := TEXT.match(expression, at):
            out.append(text[0])
            at = text.end()
        elif struct := STRUCT.match(expression, at):
            out.append('{"%s": dyn("%s")' % (TYPE, struct[1]))
            at = struct.end()
            if field := FIELD.match(expression, at):
                out.append(', "%s": dyn(' % field[1])
                at = field.end()
                depth.append("struct")
            else:
                depth.append("empty")
        elif expression[at] in "{[(":
            out.append(expression[at])
            depth.append(expression[at])
            at += 1
        elif expression[at] in "}])":
            inside = depth.pop()
            out.append(")}" if inside == "struct" else "}" if inside == "empty" else expression[at])
            at += 1
        elif expression[at] == "," and depth and depth[-1] == "struct":
            field = FIELD.match(expression, at + 1)
            assert field, expression[at : at + 80]
            out.append('), "%s": dyn(' % field[1])
            at = field.end()
        else:
            out.append(expression[at])
            at += 1
    return "".join(out)


def check_types(value: Any, path: str | None = None) -> Any:
    """What a literal comes to, without its types; each object's type has to be the path to it, as Kubernetes demands."""
    if isinstance(value, dict):
        found = value.get(TYPE)
        if found and path:
            assert found == path, f"{found} stands where {path} belongs"
        path = found or path
        return {key: check_types(one, f"{path}.{key}" if found else path) for key, one in value.items() if key != TYPE}
    if isinstance(value, list):
        kinds = {type(one) for one in value}
        assert len(kinds) <= 1, f"a list of mixed types: {value}"
        return [check_types(one, path) for one in value]
    return value


class Pod:
    """A pod under review, with a policy's variables."""

    def __init__(self, pod: Object, variables: list[Object] = ()):
        self.pod = pod
        self.variables: Object = {}
        for one in variables:
            self.variables[one["name"]] = self.value(one["expression"])

    def value(self, expression: str) -> Any:
        program = ENVIRONMENT.compile(as_maps(expression))
        return program.eval(data={"object": self.pod, "variables": self.variables}).plain_value()


ENVIRONMENT = cel.NewEnv(
    variables={"object": cel.Type.DYN, "variables": cel.Type.DYN}, extensions=[ext_strings.ExtStrings()]
)


def mutate(policy: Object, pod: Object) -> Object:
    """What a MutatingAdmissionPolicy makes of a pod."""
    pod, spec = copy.deepcopy(pod), policy["spec"]
    if not all(Pod(pod).value(one["expression"]) is True for one in spec["matchConditions"]):
        return pod
    for mutation in spec["mutations"]:
        reviewed = Pod(pod, spec["variables"])
        operations = reviewed.value(mutation["jsonPatch"]["expression"])
        pod = JsonPatch([operation(one) for one in operations]).apply(pod)
    return pod


def operation(one: Object) -> Object:
    assert one.pop(TYPE) == "JSONPatch"
    return {key: check_types(value) for key, value in one.items()}


def validate(policy: Object, pod: Object) -> list[str]:
    """The messages with which a ValidatingAdmissionPolicy refuses a pod."""
    reviewed = Pod(pod, policy["spec"]["variables"])
    failed = (one for one in policy["spec"]["validations"] if reviewed.value(one["expression"]) is not True)
    return [reviewed.value(one["messageExpression"]) for one in failed]


def pretty(value: Any) -> str:
    return json.dumps(value, indent=1, sort_keys=True)
