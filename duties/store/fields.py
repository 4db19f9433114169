"""Fields that behave the same on both databases."""

import json
from datetime import UTC, datetime
from functools import partial
from typing import Any

from tortoise import fields

_readable = partial(json.dumps, ensure_ascii=False, sort_keys=True)


def json_field(**options: Any) -> Any:
    """A JSON column. Chinese text stays readable in the file; tortoise's default encoder writes escapes."""
    return fields.JSONField(encoder=_readable, **options)


class UtcDatetimeField(fields.DatetimeField):  # type: ignore[type-arg]  # not subscriptable at run time
    """An instant, stored in UTC. SQLite keeps the text it is given, so mixed offsets would sort wrongly."""

    def to_db_value(self, value: Any, instance: Any) -> Any:
        value = super().to_db_value(value, instance)
        return value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo else value
