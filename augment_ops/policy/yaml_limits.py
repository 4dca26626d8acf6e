"""What a YAML file may ask of its reader: 700 bytes of aliases stand for billions of values, digits for minutes."""

from __future__ import annotations

from typing import Any

import yaml

# The largest file here has 10 kB. PyYAML reads some 60 kB a second where nearly every character is a token of its own.
MAX_BYTES = 131_072
MAX_VALUES = 50_000  # with every alias written out; a file of MAX_BYTES without any has fewer
MAX_DEPTH = 64  # a policy nests 8 deep
MAX_DIGITS = 64  # characters of a number; the longest float has 24, and 64 bits take 20


def load_bounded(text: str, loader: type[yaml.SafeLoader]) -> Any:
    """The one document of a text.

    Raises:
        yaml.YAMLError: not YAML, or beyond the limits.
        ValueError, RecursionError: numbers that are none, and nesting that the parser itself gives up on.
    """
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        raise yaml.YAMLError(f"{size:,} bytes; at most {MAX_BYTES:,} are read")
    reader = loader(text)
    try:
        node = reader.get_single_node()
        if node is None:
            return None
        _measure(node, {}, 0)
        return reader.construct_document(node)
    finally:
        reader.dispose()


def _measure(node: yaml.Node, known: dict[int, int], depth: int) -> int:
    """How many values a node stands for with every alias written out; each node is looked at once."""
    if depth > MAX_DEPTH:
        raise _refused(f"values inside one another more than {MAX_DEPTH} deep", node)
    if id(node) in known:
        return known[id(node)]
    if isinstance(node, yaml.ScalarNode):
        if node.tag in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float") and len(node.value) > MAX_DIGITS:
            raise _refused(f"a number of {len(node.value):,} characters; at most {MAX_DIGITS} are read", node)
        return 1
    inside = [one for pair in node.value for one in pair] if isinstance(node, yaml.MappingNode) else node.value
    known[id(node)] = total = 1  # a structure inside itself ends here; constructing it is refused
    for one in inside:
        total += _measure(one, known, depth + 1)
        if total > MAX_VALUES:
            raise _refused(f"aliases that stand for more than {MAX_VALUES:,} values", node)
    known[id(node)] = total
    return total


def _refused(problem: str, node: yaml.Node) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
