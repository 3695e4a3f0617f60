"""The words in which the models declare their fields."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import core_schema

from vdc.declaration import forms
from vdc.declaration.forms import Form, Quantity

Policy = Literal["in-place", "replace", "refused"]
"""What a change to a field does to what stands: nothing is lost, machines are made again one
after another, or it cannot be done and the declaration must go back."""

REQUIRED: Any = ...


def declared(
    doc: str,
    *,
    default: Any = REQUIRED,
    change: Policy = "refused",
    example: Any = None,
    **bounds: Any,
) -> Any:
    """One field of the declaration, in the only place where it is declared.

    Args:
        doc: What it means, one line; shown by editors and in remedies.
        default: Its value when left out; required when not given.
        change: What a later change does; what nobody thought about is refused.
        example: A right value, for fields whose type does not show one itself.
        bounds: pydantic's own (``ge``, ``le``, ``multiple_of``, ``min_length``, ...).
    """
    extra: dict[str, Any] = {"x-change": change}
    if example is not None:
        extra["examples"] = [example]
    return Field(default, description=doc, json_schema_extra=extra, **bounds)


class Model(BaseModel):
    """A part of the declaration: frozen, and closed to keys that it does not declare."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


@dataclass(frozen=True)
class Written:
    """Marks a type whose values are written in a form, within bounds in that same form."""

    form: Form
    least: str | None = None
    most: str | None = None
    example: str | None = None

    def read(self, written: object) -> Any:
        """The value; one that is already typed (made in Python) passes as it is."""
        if isinstance(written, Quantity):
            written = written.text
        return self.form.read(written, self.least, self.most)

    def write(self, value: object) -> str:
        """The value's one text; what is text already (a default) stays as it is."""
        return value if isinstance(value, str) else self.form.text(value)

    def __get_pydantic_core_schema__(
        self, _source: Any, _handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.read,
            serialization=core_schema.plain_serializer_function_ser_schema(
                self.write, when_used="json"
            ),
        )

    def __get_pydantic_json_schema__(
        self, _schema: core_schema.CoreSchema, _handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        bounds = {"x-least": self.least, "x-most": self.most}
        return {
            "type": ["string", "number"] if self.form.numbers else "string",
            "pattern": self.form.pattern,
            "x-form": self.form.name,
            "examples": [self.example or self.form.example],
            **({"minimum": 0} if self.form.numbers else {}),
            **{key: bound for key, bound in bounds.items() if bound is not None},
        }


Name = Annotated[str, Written(forms.NAME)]
SiteName = Annotated[str, Written(forms.NAME, example="here")]
AppName = Annotated[str, Written(forms.NAME, example="web")]
Price = Annotated[Decimal, Written(forms.PRICE, most="1000000")]
Currency = Annotated[str, Written(forms.CURRENCY)]
LabelKey = Annotated[str, Written(forms.LABEL_KEY)]
LabelValue = Annotated[str, Written(forms.LABEL_VALUE)]
