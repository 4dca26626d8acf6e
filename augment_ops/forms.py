"""What a text has to look like, in words: people who wrote a file or an option are not shown a regular expression."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from augment_ops.errors import nearest

_KEBAB = "kebab-case (a-z, 0-9 and single hyphens), such as street-signs"
_VERSION = "three numbers with dots, such as 1.2.0"

# Every pattern of a file of policies/ and of a run's parameters, but for those that a modality has words for.
FORMS = {
    r"^[a-z0-9]+(-[a-z0-9]+)*$": _KEBAB,
    r"^([a-z0-9]+(-[a-z0-9]+)*)?$": f"{_KEBAB}, or nothing",
    r"^[a-z0-9]+([_-][a-z0-9]+)*$": "a-z and 0-9 with single hyphens or underscores, such as gaussian_noise",
    r"^\d+\.\d+\.\d+$": _VERSION,
    r"^(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*)){2}$": f"{_VERSION}, none with a zero in front",
    r"^[a-z0-9]+(-[a-z0-9]+)*@(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*)){2}$": "a version, such as digits-robust@1.0.0",
    r"^(validation|test)$": "validation or test",
    r"^(auto|cpu|mps|cuda(:[0-9]{1,3})?)$": "auto, cpu, mps, cuda, or cuda with a number, such as cuda:1",
    r"^[a-z0-9][a-z0-9._@-]*$": "a-z, 0-9, dots, underscores, hyphens and @, a letter or number first, such as ml-lead",
    r"^[A-Za-z0-9._@-]+$": "letters A-Z, digits, dots, underscores, hyphens and @, such as ann.lee",
    r"^[0-9a-f]{64}$": "a sha256: 64 digits of 0-9 and a-f",
    r"^[0-9a-f]{32}$": "32 digits of 0-9 and a-f",
    r"^([0-9a-f]{64})?$": "a sha256 (64 digits of 0-9 and a-f), or nothing",
}


def expected_of(item: Mapping[str, Any], forms: Mapping[str, str] = FORMS) -> tuple[str, str]:
    """What was expected where pydantic refused a value, and how to mend it, both for people.

    Args:
        item: one of `ValidationError.errors()`.
        forms: words for every pattern that there is.
    """
    kind, context = item["type"], item.get("ctx", {})
    if kind == "string_pattern_mismatch":
        return forms[context["pattern"]], "write it so"
    choices = re.findall(r"'([^']*)'", context["expected"]) if kind == "literal_error" else []
    if choices:
        return f"one of {', '.join(choices)}", f"choose one.{nearest(str(item['input']), choices)}"
    message = str(item["msg"]).removeprefix("Value error, ")
    fix = "correct the value (numbers have no quotes)" if kind in ("int_type", "float_type") else "correct the value"
    return message[:1].lower() + message[1:], fix
