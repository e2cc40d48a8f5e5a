"""From bytes to an Alert, or to everything that is wrong with them."""

from typing import Any

from pydantic import ValidationError

from shared.models.alert import Alert
from shared.models.alert_rules import RuleError
from shared.models.alert_schema import alert_schema
from shared.models.problem import ROOT, Problem, element, member, one_per_path
from shared.models.strict_json import Document, read_json

_Place = tuple[int | str, ...]


def parse_alert(body: bytes) -> Alert | list[Problem]:
    """The alert in `body`, or its problems: one per path. Never raises for any input."""
    document = read_json(body)
    return validate_alert(document.value) if isinstance(document, Document) else document


def validate_alert(value: Any) -> Alert | list[Problem]:
    """The alert that `value` describes (as the strict reader gave it), or its problems."""
    try:
        return Alert.model_validate(value)
    except ValidationError as error:
        return one_per_path(problem for detail in error.errors() for problem in _problems(detail, value))


def _problems(detail: Any, value: Any) -> list[Problem]:
    broken = detail.get("ctx", {}).get("error")
    if isinstance(broken, RuleError):
        return [_of_one_target(problem, value) for problem in broken.problems]
    path, schema = _locate(detail["loc"], value)
    return [Problem(path, _sentence(path, detail["type"], schema))]


def _locate(place: _Place, value: Any) -> tuple[str, dict[str, Any]]:
    """The path of `place` in the body as it was written, and the schema that holds there."""
    path, schema = ROOT, alert_schema()
    for step in place:
        if isinstance(step, int):
            if isinstance(value, dict):
                continue  # a single target, which the model holds as a list of one
            path, schema, value = element(path, step), schema.get("items", {}), value[step]
        else:
            path, schema = member(path, step), schema.get("properties", {}).get(step, {})
            value = value.get(step) if isinstance(value, dict) else None
    return path, schema


def _sentence(path: str, kind: str, schema: dict[str, Any]) -> str:
    if path == ROOT:
        return "the body must be a JSON object"
    if kind == "extra_forbidden":
        return f"{path} is not a field of unify.v1"
    if kind == "missing":
        return f"{path} is missing: it must be {schema['description']}"
    return f"{path} must be {schema.get('description', 'as the format says')}"


def _of_one_target(problem: Problem, value: Any) -> Problem:
    """Where the body has one target without a list, its path has no index either."""
    if not isinstance(value["intent"].get("tp"), dict):
        return problem
    path, message = (text.replace("intent.tp[0]", "intent.tp") for text in (problem.path, problem.message))
    return Problem(path, message)
