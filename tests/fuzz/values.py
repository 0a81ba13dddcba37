"""Odd values, and good ones spoilt in a few places: what a hostile or broken other side may send."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

JSON = Any

TEXTS = st.one_of(
    st.text(st.characters(), max_size=40),
    st.sampled_from(["", " ", "\x00", "\ud800", "\u202e", "\n", "null", "NaN", "-1", "1e999", "9" * 400, "true"]),
    st.sampled_from(["<!channel>", "*_~`", "${x}", "{{ pods }}", "../..", "'; --", '"', "\\"]),
    st.integers(1, 300).map(lambda size: "x" * size * size),
)
"""With lone surrogates, which JSON can spell and UTF-8 cannot, and up to 90,000 characters."""

NUMBERS = st.one_of(
    st.integers(), st.floats(), st.sampled_from([0, -1, 2**31, 2**63, 10**400, 1e308, float("nan"), float("inf")])
)
ODD = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=5,
)
"""Any JSON value, and numbers that JSON does not have, as Python's parser takes them."""


@st.composite
def spoilt(draw: st.DrawFn, good: JSON) -> JSON:
    """A copy of `good` with up to three places replaced, taken out, or repeated."""
    made = copy.deepcopy(good)
    for _ in range(draw(st.integers(0, 3))):
        made = _spoil(draw, made)
    return made


def _spoil(draw: st.DrawFn, value: JSON) -> JSON:
    keys = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    if not keys or draw(st.integers(0, 5)) == 0:
        return draw(ODD)
    key = draw(st.sampled_from(keys))
    match draw(st.integers(0, 4)):
        case 0:
            del value[key]
        case 1 if isinstance(value, list):
            value.extend([value[key]] * draw(st.sampled_from([1, 30])))
        case 1:
            value[draw(TEXTS)] = value[key]
        case _:
            value[key] = _spoil(draw, value[key])
    return value
