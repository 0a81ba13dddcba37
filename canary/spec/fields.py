"""What may stand in one field: each kind checks a value, words what is allowed, describes itself to the CRD.

Faults that concern several fields are found in combinations.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from canary.spec.queries import LONGEST, check_query
from canary.spec.units import DURATION_PATTERN, parse_duration

LONGEST_DURATION_TEXT = 40
LONGEST_AMOUNT = 40


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Kind:
    """A kind of value: `check` raises ValueError with what is allowed; `described` goes into the JSON schema."""

    allowed: str
    check: Callable[[Any], None]
    described: Mapping[str, Any]
    whole: bool = False
    """True when `check` takes any JSON value; else the type that is annotated is checked first."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check the type and then the value, with one wording for both."""
        typed = core_schema.any_schema() if self.whole else handler(source)
        return core_schema.no_info_wrap_validator_function(self._validated, typed)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Add what is allowed to the type's own schema; replace it when every JSON value is looked at."""
        return dict(self.described) if self.whole else {**handler(schema), **self.described}

    def _validated(self, value: Any, typed: Callable[[Any], Any]) -> Any:
        try:
            read = typed(value)
        except ValidationError as error:
            raise ValueError(self.allowed) from error
        self.check(read)
        return read


def whole_number(least: int, most: int) -> Kind:
    """Return the kind of whole numbers from `least` to `most`."""
    allowed = f"a whole number from {least} to {most}"

    def check(value: int) -> None:
        if not least <= value <= most:
            raise ValueError(allowed)

    return Kind(allowed=allowed, check=check, described={"minimum": least, "maximum": most})


def matching(pattern: str, most: int, allowed: str) -> Kind:
    """Return the kind of texts of at most `most` characters that match an RE2 pattern from `^` to `$`."""
    compiled = re.compile(pattern.removeprefix("^").removesuffix("$"), re.ASCII)

    def check(value: str) -> None:
        if len(value) > most or not compiled.fullmatch(value):
            raise ValueError(allowed)

    return Kind(allowed=allowed, check=check, described={"pattern": pattern, "maxLength": most})


def lasting(least: timedelta = timedelta(milliseconds=1)) -> Kind:
    """Return the kind of durations of at least `least`."""

    try:
        parse_duration("", least=least)
    except ValueError as error:
        allowed = str(error)

    def check(value: str) -> None:
        if value != value.strip():  # the CRD's pattern has no room for blanks
            raise ValueError(allowed)
        parse_duration(value, least=least)

    described = {"pattern": DURATION_PATTERN, "minLength": 2, "maxLength": LONGEST_DURATION_TEXT}
    return Kind(allowed=allowed, check=check, described=described)


@dataclass(frozen=True, slots=True)
class _Port:
    """Port numbers, and names as Services have them (IANA_SVC_NAME of apimachinery: a letter is needed)."""

    allowed: ClassVar[str] = (
        "a port: a number from 1 to 65535, or a name of at most 15 lower-case letters, digits and -"
    )
    name: ClassVar[re.Pattern[str]] = re.compile(r"(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?")

    def check(self, value: Any) -> None:
        good = isinstance(value, str) and self.name.fullmatch(value)
        if not good and (isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 65535):
            raise ValueError(self.allowed)


def _check_amount(value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float | str) or len(str(value)) > LONGEST_AMOUNT:
        raise ValueError(AMOUNT.allowed)


def _check_query(value: str) -> None:
    check_query(value)


PORT = Kind(allowed=_Port.allowed, check=_Port().check, described={"x-kubernetes-int-or-string": True}, whole=True)
AMOUNT = Kind(
    allowed="a number, or a duration such as 500ms",
    check=_check_amount,
    described={"x-kubernetes-preserve-unknown-fields": True},
    whole=True,
)
"""A limit. A structural schema has no kind for `99.5` beside `500ms`, so the API server lets anything pass."""
PROMQL = Kind(allowed="PromQL", check=_check_query, described={"minLength": 1, "maxLength": LONGEST})
OBJECT_NAME = matching(
    r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", 253, "a name of at most 253 lower-case letters, digits, - and ."
)
LABEL = matching(r"^[a-z]([-a-z0-9]*[a-z0-9])?$", 63, "a name of at most 63 lower-case letters, digits and -")
"""What a Service may be called: RFC 1035."""
CHECK_NAME = matching(
    r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$", 63, "a name of at most 63 letters, digits, -, _ and ."
)
LINE = matching(r"^[^\x00-\x1f\x7f]*$", 100, "a text of at most 100 characters in one line")
