"""The body of a request: fields of the right JSON type, or 400 as the gateway answers it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from shared import codec


class Malformed(Exception):
    """JSON that does not fit: answered with 400. An enum as text looks as if there were no body at all."""


class Body:
    """A decoded body. Absent and null are the same."""

    def __init__(self, content: bytes) -> None:
        try:
            self.fields = codec.decode(content) if content.strip() else {}
        except codec.NotReadable as error:
            raise Malformed(str(error)) from error
        if not isinstance(self.fields, dict):
            raise Malformed("The request field is required.")

    def integer(self, name: str) -> int:
        """A required whole number."""
        found = self.integer_or_none(name)
        if found is None:
            raise Malformed(f"The {name} field is required.")
        return found

    def integer_or_none(self, name: str) -> int | None:
        value = self.fields.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            raise Malformed("The request field is required.")
        return value

    def number_or_none(self, name: str) -> Decimal | None:
        """A decimal: a JSON number."""
        value = self.fields.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise Malformed("The request field is required.")
        return Decimal(value)

    def text(self, name: str) -> str:
        """A required text."""
        found = self.text_or_none(name)
        if found is None:
            raise Malformed(f"The {name} field is required.")
        return found

    def text_or_none(self, name: str) -> str | None:
        value = self.fields.get(name)
        if value is not None and not isinstance(value, str):
            raise Malformed("The request field is required.")
        return value

    def flag(self, name: str) -> bool:
        """A required true or false."""
        value = self.fields.get(name)
        if not isinstance(value, bool):
            raise Malformed(f"The {name} field is required.")
        return value

    def moment_or_none(self, name: str) -> datetime | None:
        """An ISO time; one without a zone is UTC."""
        text = self.text_or_none(name)
        if text is None:
            return None
        try:
            found = datetime.fromisoformat(text)
        except ValueError as error:
            raise Malformed("The request field is required.") from error
        return found if found.tzinfo else found.replace(tzinfo=UTC)

    def part(self, name: str) -> Body | None:
        """An object inside."""
        value = self.fields.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise Malformed("The request field is required.")
        found = Body(b"")
        found.fields = value
        return found
