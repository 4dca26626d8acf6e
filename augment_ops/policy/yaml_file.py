"""Read a YAML file of policies/ into a pydantic model, with every fault at once and duplicate keys refused."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from augment_ops.errors import Fault, PolicyError, nearest
from augment_ops.files import read_regular
from augment_ops.forms import expected_of
from augment_ops.policy.yaml_limits import MAX_BYTES, load_bounded

M = TypeVar("M", bound=BaseModel)

_looks: list[Callable[[Path, bytes], None]] = []  # of the process, not of a thread: whoever reads is looked at


@contextmanager
def looked_at(look: Callable[[Path, bytes], None]) -> Iterator[None]:
    """While it holds, `look` is given each file that is read here, with its bytes, before anybody judges by them."""
    _looks.append(look)
    try:
        yield
    finally:
        _looks.remove(look)


def read_text(path: Path, *, kind: str) -> str:
    """The file's text.

    Raises:
        PolicyError: no such file (with the nearest name beside it), not readable, or not UTF-8.
        AugmentOpsError: whatever is raised by who looks at it (`looked_at`).
    """
    try:
        data = read_regular(str(path), limit=MAX_BYTES)
        text = data.decode("utf-8")
    except FileNotFoundError:
        beside = sorted(p.stem for p in path.parent.glob("*.yaml"))
        raise PolicyError(
            str(path),
            "no such file",
            f"a {kind}: {', '.join(beside) or 'none exists yet'}",
            f"name an existing one, or write {path.name}.{nearest(path.stem, beside)}",
        ) from None
    except (UnicodeDecodeError, OSError) as error:
        raise PolicyError(str(path), str(error)[:120], "a UTF-8 text file", "save it as plain UTF-8 YAML") from error
    for look in tuple(_looks):
        look(path, data)
    return text


def same_lines(data: bytes) -> bytes:
    """The bytes by which a file is known: a checkout with other line ends holds the same rules."""
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def parse(text: str, where: str) -> dict[str, Any]:
    """YAML text to a mapping of plain values: those of JSON, without duplicate keys and without NaN or infinity.

    Raises:
        PolicyError: not YAML, other than plain, or not a mapping.
    """
    try:
        content = load_bounded(text, _StrictLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # the latter two: numbers and nesting without end
        mark = getattr(error, "problem_mark", None)
        place = f"{where}:{mark.line + 1}" if mark else where
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise PolicyError(place, problem, "well-formed YAML", "correct the line") from error
    if not isinstance(content, dict):
        raise PolicyError(where, type(content).__name__, "a mapping of keys to values", "start with `name: …`")
    return content


def plain(node: yaml.Node) -> Any:
    """The value that `parse` reads from a node; its text where it refuses it."""
    try:
        return _StrictLoader("").construct_document(node)
    except (yaml.YAMLError, ValueError):
        return getattr(node, "value", None)


def with_entry(text: str, key: str, value: object) -> str:
    """The text of a mapping with one more key, whose value is JSON; the rest stays as it is written.

    Args:
        text: what `parse` reads, with an entry at least.
    """
    root: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    entry = f"{key}: {json.dumps(value, ensure_ascii=False)}"
    if root.flow_style:
        start = root.start_mark.index + 1
        return f"{text[:start]}{entry}, {text[start:]}"
    before, after = text[: root.end_mark.index], text[root.end_mark.index :]
    line_end = "" if before.endswith("\n") else "\n"
    return f"{before}{line_end}{' ' * root.start_mark.column}{entry}\n{after}"


def load_model(path: Path, model: type[M], *, kind: str) -> M:
    """Read, parse and validate `path` as `model`.

    Raises:
        PolicyError: with every fault of the file.
    """
    content = parse(read_text(path, kind=kind), str(path))
    return validate(content, model, str(path))


def validate(content: dict[str, Any], model: type[M], where: str, *, also: Sequence[Fault] = ()) -> M:
    """Validate a parsed file.

    Args:
        also: faults that the caller has found in the same file, reported with the others.

    Raises:
        PolicyError: with every fault of the file, the nearest valid name beside an unknown key.
    """
    try:
        validated = model.model_validate(content)
    except ValidationError as error:
        faults = [_fault(item, model) for item in error.errors(include_url=False)]
        raise PolicyError.of(where, [*faults, *also]) from error
    if also:
        raise PolicyError.of(where, also)
    return validated


def _fault(item: Any, model: type[BaseModel]) -> Fault:
    field = ".".join(str(part) for part in item["loc"]) or "(file)"
    if item["type"] == "extra_forbidden":
        known = sorted(_fields_at(model, item["loc"][:-1]))
        expected = f"one of {', '.join(known)}" if known else "a documented key"
        return Fault(field, "unknown key", expected, f"remove or rename it.{nearest(str(item['loc'][-1]), known)}")
    if item["type"] == "missing":
        return Fault(field, "nothing", "a value", "add it")
    expected, fix = expected_of(item)
    return Fault(field, repr(item["input"])[:120], expected, fix)


def _fields_at(model: type[BaseModel], place: Sequence[str | int]) -> set[str]:
    """Names of the fields of the model that sits at `place` inside `model`; empty where it is not one model."""
    models = [model]
    for part in place:
        fields = [m.model_fields[part] for m in models if part in m.model_fields]
        if fields:  # else an index or a key inside a container, whose element models stay the same
            models = [found for field in fields for found in _models_in(field.annotation)]
    return set(models[0].model_fields) if len(models) == 1 else set()


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in get_args(annotation) for found in _models_in(part)]


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader for plain values, whose content and digest cannot be misread.

    It refuses duplicate keys, which YAML would silently resolve to the last one; numbers that are not finite, beside
    which every comparison with a limit is false; and YAML's own types (dates, binary, sets, structures inside
    themselves), which are not JSON. What looks like a date is text.
    """


def _mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    content: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, (str, int, float, bool, type(None))):
            raise _refused(f"a key that is a {type(key).__name__}", key_node)
        if key in content:
            raise _refused(f"duplicate key {key!r}", key_node)
        content[key] = loader.construct_object(value_node, deep=True)
    return content


def _sequence(loader: _StrictLoader, node: yaml.SequenceNode) -> list[Any]:
    return [loader.construct_object(item, deep=True) for item in node.value]


def _float(loader: _StrictLoader, node: yaml.ScalarNode) -> float:
    value = float(loader.construct_yaml_float(node))
    if not math.isfinite(value):
        raise _refused(f"{node.value}, which is not a finite number", node)
    return value


def _text(loader: _StrictLoader, node: yaml.ScalarNode) -> str:
    value = str(loader.construct_scalar(node))
    try:
        return value.encode("utf-16", "surrogatepass").decode("utf-16")  # joins the pairs that JSON escapes
    except UnicodeDecodeError:
        raise _refused("half of a surrogate pair", node) from None


def _refused(problem: str, node: yaml.Node) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


# Alternatives of the resolver by first character, without the one for dates.
_StrictLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:timestamp"]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
# YAML 1.2's floats, of which 1.1 wants a dot and a sign: 1e-2 is the number 0.01, not a text.
_StrictLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$"),
    list("-+.0123456789"),
)
_StrictLoader.yaml_constructors = {
    tag: yaml.SafeLoader.yaml_constructors[tag]
    for tag in (None, "tag:yaml.org,2002:null", "tag:yaml.org,2002:bool", "tag:yaml.org,2002:int")
}
for _tag, _constructor in (("map", _mapping), ("seq", _sequence), ("float", _float), ("str", _text)):
    _StrictLoader.add_constructor(f"tag:yaml.org,2002:{_tag}", _constructor)
