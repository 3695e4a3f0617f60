"""How single values are written: names, sizes, durations, prices.

A form knows its pattern (published in the JSON Schema, so that editors know it too), how
to read a text into a value, and what to tell somebody who wrote it another way.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal
from functools import total_ordering
from typing import Any


@dataclass(frozen=True)
@total_ordering
class Quantity:
    """An amount that remembers how it was written; only the amount counts.

    Attributes:
        amount: Bytes for sizes, seconds for durations.
        text: What the user wrote, for messages and reviews.
    """

    amount: int
    text: str = field(compare=False)

    def __lt__(self, other: Quantity) -> bool:
        return self.amount < other.amount

    def __str__(self) -> str:
        return self.text


def plain(number: Decimal) -> str:
    """A number in digits alone, the same for all that are equal: ``2`` for 2.0 and 2."""
    return format(number.normalize(), "f")


class UnfitError(ValueError):
    """A value is not in its form or out of bounds; says what is wrong and what to write."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message}; {remedy}")
        self.message = message
        self.remedy = remedy


@dataclass(frozen=True)
class Form:
    """One way to write a value.

    Attributes:
        name: How the schema refers to it (``x-form``).
        noun: What a value of this form is called, with its article.
        rule: How it is written, in words.
        example: A right value.
        pattern: What a right value matches as a whole; ECMA and Python agree on it.
        value: The value of a matching text; a ValueError says that it only looks right.
        text: The one text of a value, the same for all equal ones; ``value`` reads it back.
        hint: What to write instead of a text that does not match, when that can be guessed.
        numbers: Whether a bare number is read like its digits.
    """

    name: str
    noun: str
    rule: str
    example: str
    pattern: str
    value: Callable[[str], Any] = str
    text: Callable[[Any], str] = str
    hint: Callable[[str], str | None] = lambda _text: None
    numbers: bool = False

    def fits(self, text: str) -> bool:
        """Whether a text is written in this form."""
        return re.fullmatch(self.pattern, text) is not None

    def read(
        self,
        written: object,
        least: str | None = None,
        most: str | None = None,
        example: str | None = None,
    ) -> Any:
        """The value of what is written.

        Args:
            written: Text, or a number where the form takes numbers.
            least: The smallest value allowed, in this form.
            most: The largest value allowed, in this form.
            example: A right value at this place, to show when this one is not.

        Raises:
            UnfitError: It is not in this form, or out of bounds.
        """
        number = isinstance(written, int | Decimal | float) and not isinstance(written, bool)
        text = format(written, "f" if not isinstance(written, int) else "d") if number else written
        if not isinstance(text, str) or isinstance(written, bool):
            raise UnfitError(f"is not {self.noun}", self._remedy(None, example))
        if (number and not self.numbers) or not self.fits(text):
            raise UnfitError(f"is not {self.noun}", self._remedy(self.hint(text), example))
        try:
            value = self.value(text)
        except UnfitError:
            raise
        except ValueError:
            raise UnfitError(
                f"is not {self.noun}", self._remedy(self.hint(text), example)
            ) from None
        if least is not None and value < self.value(least):
            raise UnfitError(f"is less than {least}", f"write {least} or more")
        if most is not None and value > self.value(most):
            raise UnfitError(f"is more than {most}", f"write {most} or less")
        return value

    def _remedy(self, hint: str | None, example: str | None) -> str:
        return hint or f"write {self.rule}, such as {example or self.example}"


_BYTES = {
    "MiB": 2**20, "GiB": 2**30, "TiB": 2**40,
    "MB": 10**6, "GB": 10**9, "TB": 10**12,
}  # fmt: skip
_SECONDS = {"h": 3600, "m": 60, "s": 1}


def _size(text: str) -> Quantity:
    number, unit = re.fullmatch(r"([0-9.]+)([A-Za-z]+)", text).groups()  # type: ignore[union-attr]
    exact = Decimal(number) * _BYTES[unit]
    return Quantity(int(exact.to_integral_value(ROUND_CEILING)), text)


def _size_text(size: Quantity) -> str:
    return f"{plain(Decimal(size.amount).scaleb(-9))}GB"  # exact: a byte is the last decimal


def _size_hint(text: str) -> str | None:
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        return f"add the unit, such as {text}MiB or {text}GiB"
    close = re.fullmatch(r"\s*([0-9]+)(?:[.,]([0-9]+))?\s*([MGT])(i?B?)\s*", text, re.IGNORECASE)
    if close is None:
        return None
    whole, fraction, unit, tail = close.groups()
    tail = "B" if tail.lower() == "b" else "iB"
    return f"write {whole}{f'.{fraction}' if fraction else ''}{unit.upper()}{tail}"


def _duration(text: str) -> Quantity:
    parts = re.findall(r"([0-9]+)([hms])", text)
    return Quantity(sum(int(number) * _SECONDS[unit] for number, unit in parts), text)


def _duration_hint(text: str) -> str | None:
    if re.fullmatch(r"[0-9]+", text):
        return f"add the unit, such as {text}s or {text}m"
    close = re.fullmatch(r"\s*([0-9]+)\s*(d|h|m|s)[a-z]*\s*", text, re.IGNORECASE)
    if close is None:
        return None
    number, unit = close.group(1), close.group(2).lower()
    return f"write {int(number) * 24}h" if unit == "d" else f"write {number}{unit}"


def _price_hint(text: str) -> str | None:
    if re.fullmatch(r"[0-9]+,[0-9]+", text):
        return f"write the decimal point as a dot: {text.replace(',', '.')}"
    if re.fullmatch(r"-[0-9.]+", text):
        return "write 0 or more"
    digits = re.search(r"[0-9]+(\.[0-9]+)?", text)
    if digits and re.search(r"[$€£¥]|[A-Za-z]{3}", text):
        return f"write {digits.group()} alone: the currency is declared once, at the top"
    return None


def _name_hint(text: str) -> str | None:
    close = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    return f"write {close}" if NAME.fits(close) else None


def _currency_hint(text: str) -> str | None:
    close = text.strip().upper()
    return f"write {close}" if re.fullmatch("[A-Z]{3}", close) else None


def _label_key_hint(text: str) -> str | None:
    if re.match("unique|vdc", text):
        return "choose a key that does not begin with unique or vdc: those are the pool's own"
    close = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    return f"write {close}" if LABEL_KEY.fits(close) else None


def _label_value_hint(text: str) -> str | None:
    return f"shorten it from {len(text)} to 255 characters" if len(text) > 255 else None


NAME = Form(
    name="name",
    noun="a name",
    rule="up to 63 lower-case letters, digits and hyphens, beginning with a letter",
    example="workers",
    pattern=r"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$",
    hint=_name_hint,
)
SIZE = Form(
    name="size",
    noun="a size",
    rule="a number and its unit (MiB, GiB, TiB; MB, GB, TB)",
    example="4GiB",
    pattern=r"^[0-9]{1,9}(\.[0-9]{1,9})?(MiB|GiB|TiB|MB|GB|TB)$",
    value=_size,
    text=_size_text,
    hint=_size_hint,
)
DURATION = Form(
    name="duration",
    noun="a duration",
    rule="hours, minutes and seconds with their units",
    example="1h30m",
    pattern=r"^(?=[0-9])([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$",
    value=_duration,
    text=lambda duration: f"{duration.amount}s",
    hint=_duration_hint,
)
PRICE = Form(
    name="price",
    noun="a price",
    rule="a decimal number, 0 or more",
    example="0.02",
    pattern=r"^[0-9]{1,12}(\.[0-9]{1,12})?$",
    value=Decimal,
    text=plain,
    hint=_price_hint,
    numbers=True,
)
CURRENCY = Form(
    name="currency",
    noun="a currency",
    rule="its three capital letters (ISO 4217)",
    example="USD",
    pattern=r"^[A-Z]{3}$",
    hint=_currency_hint,
)
LABEL_KEY = Form(
    name="label-key",
    noun="a label key",
    rule="up to 63 lower-case letters, digits and underscores, beginning with a letter",
    example="tier",
    pattern=r"^(?!unique|vdc)[a-z][a-z0-9_]{0,62}$",
    hint=_label_key_hint,
)
LABEL_VALUE = Form(
    name="label-value",
    noun="a label value",
    rule="1 to 255 characters on one line",
    example="general",
    pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,255}$",
    hint=_label_value_hint,
)

FORMS = (NAME, SIZE, DURATION, PRICE, CURRENCY, LABEL_KEY, LABEL_VALUE)
