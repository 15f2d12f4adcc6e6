"""Conditions on companion variables as people write them: `≥ 4`, `≤ 0.15`, `0 to 5`, `4, 5`."""

from __future__ import annotations

import re

from datavore_widgets.errors import InvalidValue
from datavore_widgets.protocol.queries import Condition, parse_filters
from datavore_widgets.widgets.text import number

__all__ = ["SPELLINGS", "condition_from", "words_of"]

SPELLINGS = "≥ 4 · ≤ 15 · 0 to 5 · 4, 5"

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?"
_ONE_END = re.compile(rf"(>=|<=)({_NUMBER})")
_BOTH_ENDS = re.compile(rf"({_NUMBER})(?:to|\.\.|…)({_NUMBER})")
_LIST = re.compile(rf"{_NUMBER}(?:[,;]{_NUMBER})*")


def condition_from(name: str, text: str) -> Condition:
    """The condition that somebody has typed.

    Raises
    ------
    InvalidValue
        When it is none; it shows the spellings.

    Examples
    --------
    >>> condition_from("quality_level", "≥ 4")
    Condition(name='quality_level', values=(), minimum=4.0, maximum=None)
    """
    typed = re.sub(r"\s+", "", text.lower()).replace("−", "-").replace("≥", ">=").replace("≤", "<=")
    if found := _ONE_END.fullmatch(typed):
        end = "min" if found[1] == ">=" else "max"
        return parse_filters({name: {end: float(found[2])}})[0]
    if found := _BOTH_ENDS.fullmatch(typed):
        low, high = float(found[1]), float(found[2])
        if low > high:
            raise InvalidValue(f"{low:g} to {high:g} holds nothing; the smaller number comes first")
        return parse_filters({name: {"min": low, "max": high}})[0]
    if _LIST.fullmatch(typed):
        return parse_filters({name: [float(part) for part in re.split("[,;]", typed)]})[0]
    raise InvalidValue(f"a condition is written as {SPELLINGS}, not {text!r}")


def words_of(condition: Condition) -> str:
    """What a condition allows, as `condition_from` reads it.

    Examples
    --------
    >>> words_of(Condition("ice", maximum=0.15)), words_of(Condition("flag", (1.0, 2.0)))
    ('≤ 0.15', '1, 2')
    """
    if condition.values:
        return ", ".join(value if isinstance(value, str) else number(value, 6) for value in condition.values)
    low, high = condition.minimum, condition.maximum
    if low is not None and high is not None:
        return f"{number(low, 6)} to {number(high, 6)}"
    return f"≥ {number(low, 6)}" if low is not None else f"≤ {number(high if high is not None else 0.0, 6)}"
