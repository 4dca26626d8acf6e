"""torchvision, also where its compiled half is built for another torch: PyPI's is built for CUDA, and not for a CPU's.

That half has operators of boxes, which no classifier calls. What the rest asks for of it at import is declared here,
without anything behind it: a call would say so. Other libraries import torchvision too, wherever it is installed.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import Any

from augment_ops.extras import require

_OPERATORS = ("nms", "qnms")  # those that torchvision 0.28 registers a meta kernel for, however it was built
_BOXES = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def torchvision(for_what: str) -> Any:
    """The library.

    Raises:
        NotInstalled: it is not there; `for_what` needs it.
    """
    require("torchvision", for_what)
    import_where_installed()
    import torchvision

    return torchvision


@cache
def import_where_installed() -> object:
    """Import it, so that whatever else imports it finds it; keep what is returned no shorter than the process."""
    if find_spec("torchvision") is None:
        return None
    try:
        import torchvision
    except RuntimeError:
        import torch

        declared = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
        for operator in _OPERATORS:
            declared.define(operator + _BOXES)  # type: ignore[no-untyped-call]
        import torchvision  # noqa: F401

        return declared  # which takes its declarations with it
    return None
