"""Write the key of a witness into approvers.yaml, whose comments and layout stay."""

from __future__ import annotations

import re
from pathlib import Path

from augment_ops.errors import InputError
from augment_ops.files import replace_file
from augment_ops.governance.approvals import APPROVERS, approvers_of
from augment_ops.policy.yaml_file import read_text


def trust_witness(policies: Path, witness: str, public: str) -> bool:
    """Name a service's key as one whose word counts; whether the file was changed for it.

    Raises:
        PolicyError: approvers.yaml is faulty.
        InputError: it is written in a way that is not changed by machine; nothing was.
    """
    path = policies / APPROVERS
    text = read_text(path, kind="list of approvers")
    before = approvers_of(path, text)
    if public in before.witnesses.get(witness, []):
        return False
    changed = _with_key(text, witness, public, listed=bool(before.witnesses))
    wanted = {**before.witnesses, witness: [*before.witnesses.get(witness, []), public]}
    if changed is None or approvers_of(path, changed) != before.model_copy(update={"witnesses": wanted}):
        fix = f'add "{public}" to witnesses.{witness} by hand, and do it again'
        raise InputError(str(path), "witnesses in a form of its own", f"a line `{witness}: [...]`", fix)
    replace_file(path, changed)
    return True


def _with_key(text: str, witness: str, public: str, *, listed: bool) -> str | None:
    line = re.compile(rf"^(\s+{re.escape(witness)}:\s*\[)([^\]\n]*)\]", re.MULTILINE)
    found = line.search(text)
    if found is not None:
        keys = f'{found[2].strip()}, "{public}"' if found[2].strip() else f'"{public}"'
        return text[: found.start()] + f"{found[1]}{keys}]" + text[found.end() :]
    if listed or re.search(r"^witnesses:", text, re.MULTILINE):
        return None
    return f'{text.rstrip()}\nwitnesses:\n  {witness}: ["{public}"]\n'
