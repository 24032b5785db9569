"""A marshmallow schema for wire objects, which dataclasses-json promises of its classes.

Its own would refuse unknown keys, write nulls for absent ones and leave nested objects as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from marshmallow import Schema, ValidationError

if TYPE_CHECKING:
    from pyresponses_ws.model import WireModel


class WireSchema(Schema):
    """Reads and writes objects of one class by the codec; declares no field and checks no value.

    ``load`` raises ValidationError for what is no JSON object.
    """

    def __init__(self, model: type[WireModel], *, many: bool) -> None:
        super().__init__(many=many)
        self._model = model

    def load(self, data: Any, *, many: bool | None = None, **_options: Any) -> Any:
        """Build an object of each JSON object; unknown keys are kept."""
        return self._each(self._load_one, data, many)

    def dump(self, obj: Any, *, many: bool | None = None) -> Any:
        """Give back the wire's JSON object of each object."""
        return self._each(lambda one: one.to_dict(), obj, many)

    def _each(self, convert: Any, value: Any, many: bool | None) -> Any:
        is_many = self.many if many is None else many
        return [convert(each) for each in value] if is_many else convert(value)

    def _load_one(self, data: Any) -> WireModel:
        if not isinstance(data, Mapping):
            raise ValidationError(f"{self._model.__name__} is made of an object")
        return self._model.from_dict(data)
