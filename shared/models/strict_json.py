"""Reads JSON as strictly as money deserves. The same reader, line for line, is
supabase/functions/_shared/strict_json.ts: tests/payloads/alerts/vectors.json holds both to equal verdicts.

Refused with the path: a key twice, depth over 8, more than 200 members, NUL, lone surrogates, numbers that
are not finite or are written absurdly, `__proto__`, a `{{placeholder}}` that was never filled in. Numbers
become Decimal straight from their text."""

import json
import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from shared.models.problem import ROOT, Problem, element, member, one_per_path

MAX_DEPTH = 8
MAX_MEMBERS = 200
MAX_NUMBER_LENGTH = 32
MAX_EXPONENT = 20

_SPACE = re.compile(r"[ \t\n\r]*")
_PLAIN_STRING = re.compile(r'"([^"\\\x00-\x1f]*)"')
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE]([+-]?[0-9]+))?")
_NOT_FINITE = re.compile(r"NaN|-?Infinity")
_WORDS = {"true": True, "false": False, "null": None}
_WORD = re.compile(r"true|false|null")


class _UnreadableError(Exception):
    """The text is not JSON; the position is the argument."""


class _LimitError(Exception):
    """Depth or number of members: reading on would only cost time."""


@dataclass(frozen=True, slots=True)
class Document:
    """A body that was read without fault."""

    value: Any


def read_json(body: bytes) -> Document | list[Problem]:
    """The value of `body`, or everything that is wrong with it. Never raises."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return [Problem(ROOT, "the body is not UTF-8 text", "unreadable")]
    reader = _Reader(text.removeprefix("\ufeff"))
    try:
        value = reader.document()
    except _UnreadableError as error:
        return [Problem(ROOT, _explain(reader.text, error.args[0]), "unreadable")]
    except _LimitError:
        return one_per_path(reader.problems)
    return one_per_path(reader.problems) or Document(value)


def _explain(text: str, at: int) -> str:
    if not text.strip(" \t\n\r"):
        return "the body is empty"
    if "{{" in text[max(at - 1, 0) : at + 2]:
        return f"the body is not JSON: the {{{{placeholder}}}} near character {at + 1} was not filled in"
    return f"the body is not JSON: unexpected text at character {at + 1}"


@dataclass(slots=True)
class _Reader:
    text: str
    at: int = 0
    members: int = 0
    problems: list[Problem] = field(default_factory=list)

    def document(self) -> Any:
        self._space()
        value = self._value(ROOT, 0)
        self._space()
        if self.at != len(self.text):
            raise _UnreadableError(self.at)
        return value

    def _value(self, path: str, depth: int) -> Any:
        first = self.text[self.at : self.at + 1]
        if first == '"':
            return self._string(path)
        if first == "{":
            return self._object(path, self._deeper(path, depth))
        if first == "[":
            return self._array(path, self._deeper(path, depth))
        return self._number_or_word(path)

    def _deeper(self, path: str, depth: int) -> int:
        if depth == MAX_DEPTH:
            self._refuse(path, f"is nested more than {MAX_DEPTH} levels deep")
            raise _LimitError
        self.at += 1
        self._space()
        return depth + 1

    def _object(self, path: str, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self._skip("}"):
            return found
        while True:
            name = self._string(path) if self.text.startswith('"', self.at) else self._unreadable()
            child = member(path, name)
            self._count(child)
            if name in found:
                self._refuse(child, "appears twice")
            if name == "__proto__":
                self._refuse(child, "is not an allowed name")
            self._expect(":")
            found[name] = self._value(child, depth)
            self._space()
            if self._skip("}"):
                return found
            self._expect(",")

    def _array(self, path: str, depth: int) -> list[Any]:
        found: list[Any] = []
        if self._skip("]"):
            return found
        while True:
            child = element(path, len(found))
            self._count(child)
            found.append(self._value(child, depth))
            self._space()
            if self._skip("]"):
                return found
            self._expect(",")

    def _string(self, path: str) -> str:
        plain = _PLAIN_STRING.match(self.text, self.at)
        if plain:
            self.at = plain.end()
            value = plain[1]
        else:
            escaped = _STRING.match(self.text, self.at) or self._unreadable()
            self.at = escaped.end()
            value = json.loads(escaped[0])
            self._check_characters(path, value)
        if "{{" in value:
            self._refuse(path, "still holds a {{placeholder}} that was not filled in")
        return value

    def _check_characters(self, path: str, value: str) -> None:
        if "\x00" in value:
            self._refuse(path, "holds a NUL character")
        if any("\ud800" <= character <= "\udfff" for character in value):
            self._refuse(path, "holds half of a surrogate pair")

    def _number_or_word(self, path: str) -> Any:
        word = _WORD.match(self.text, self.at)
        if word:
            self.at = word.end()
            return _WORDS[word[0]]
        not_finite = _NOT_FINITE.match(self.text, self.at)
        if not_finite:
            self.at = not_finite.end()
            self._refuse(path, f"is {not_finite[0]}: the chart had no value here")
            return None
        number = _NUMBER.match(self.text, self.at) or self._unreadable()
        self.at = number.end()
        if len(number[0]) > MAX_NUMBER_LENGTH:
            self._refuse(path, f"is a number of more than {MAX_NUMBER_LENGTH} characters")
            return None
        if number[1] and abs(int(number[1])) > MAX_EXPONENT:
            self._refuse(path, f"is a number with an exponent beyond {MAX_EXPONENT}")
            return None
        return Decimal(number[0])

    def _count(self, path: str) -> None:
        self.members += 1
        if self.members > MAX_MEMBERS:
            self._refuse(path, f"is one too many: a body may hold {MAX_MEMBERS} members")
            raise _LimitError

    def _refuse(self, path: str, message: str) -> None:
        self.problems.append(Problem(path, f"{path} {message}"))

    def _space(self) -> None:
        match = _SPACE.match(self.text, self.at)
        self.at = match.end() if match else self.at

    def _skip(self, character: str) -> bool:
        if self.text.startswith(character, self.at):
            self.at += 1
            return True
        return False

    def _expect(self, character: str) -> None:
        self._space()
        if not self._skip(character):
            raise _UnreadableError(self.at)
        self._space()

    def _unreadable(self) -> Any:
        raise _UnreadableError(self.at)
