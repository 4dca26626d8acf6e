"""A saved albumentations pipeline (`A.save`, JSON or YAML) as a policy file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from augment_ops.errors import Fault, PolicyError
from augment_ops.files import read_regular
from augment_ops.modalities.catalogue import Imported
from augment_ops.modalities.image import catalogue
from augment_ops.policy.containers import CONTAINERS
from augment_ops.policy.spec import Policy
from augment_ops.policy.yaml_limits import load_bounded

_PIPELINES = ("Compose", "ReplayCompose", "Sequential")
# Of a Compose, and what a policy makes of it; anything else that is set is said to be lost.
_NOT_CARRIED = {
    "bbox_params": "boxes: give their format where boxes are augmented",
    "keypoint_params": "keypoints: give their format where keypoints are augmented",
    "additional_targets": "additional targets",
    "seed": "the seed: a run has its own",
    "mask_interpolation": "the interpolation of masks",
}
_MAX_BYTES = 1 << 20  # as JSON, which is read fast; as YAML the limits of policies hold
_TENSORS = ("ToTensorV2", "ToTensor3D")


class _Lost(list[str]):
    """What a policy cannot hold, for people; and whether the installed library itself wrote the pipeline."""

    def __init__(self, *, same_version: bool) -> None:
        super().__init__()
        self.same_version = same_version


def import_pipeline(path: Path, *, name: str, owner: str, domain: str) -> Imported:
    """Read a pipeline that `A.save(transform, path)` wrote, or `A.save(transform, path, data_format="yaml")`.

    Args:
        name: of the policy; owner, domain: as the policy file has them.

    Raises:
        PolicyError: no such file, not a saved pipeline, or a transform that no policy may use.
    """
    document = _read(path)
    version = document.get("__version__")
    lost = _Lost(same_version=version == catalogue.LIBRARY.split()[-1])
    saved = document.get("transform", document)
    if version is not None and not lost.same_version:
        lost.append(f"it was saved by albumentations {version}; {catalogue.LIBRARY} reads it")
    steps = _steps(saved, str(path), lost)
    text = yaml.safe_dump(
        {
            "name": name,
            "version": "1.0.0",
            "modality": "image",
            "domain": domain,
            "owner": owner,
            "description": f"Imported from {path.name}.",
            "budget": {"p95_ms": 1.0, "at": [224, 224, 3]},
            "transforms": steps,
        },
        sort_keys=False,
        default_flow_style=None,
        allow_unicode=True,
        width=120,
    )
    return Imported(Policy.from_text(text, str(path)), text, tuple(lost))


def _read(path: Path) -> dict[str, Any]:
    try:
        text = read_regular(str(path), limit=_MAX_BYTES).decode("utf-8")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)[:200]
        raise PolicyError(str(path), why, "a file", "give the file that A.save wrote") from error
    try:
        document = json.loads(text) if text.lstrip().startswith("{") else load_bounded(text, yaml.SafeLoader)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise PolicyError(str(path), str(error)[:200], "JSON or YAML", "give the file that A.save wrote") from error
    if not isinstance(document, dict) or "__class_fullname__" not in document.get("transform", document):
        raise PolicyError(str(path), repr(document)[:120], "a saved albumentations pipeline", "write it with A.save")
    return document


def _steps(saved: Mapping[str, Any], where: str, lost: _Lost) -> list[dict[str, Any]]:
    """The transforms of a pipeline; a Compose that applies only sometimes stays as a Sequential."""
    name = _name(saved)
    if name not in _PIPELINES:
        return [_step(saved, lost)]
    lost += [f"{text} ({key})" for key, text in _NOT_CARRIED.items() if saved.get(key)]
    children = saved.get("transforms")
    if not isinstance(children, list):
        raise PolicyError.of(where, [Fault("transforms", repr(children)[:120], "a list", "write the file with A.save")])
    lost += [
        f"{_name(child)}: batches become tensors where they are delivered" for child in children if _to_tensor(child)
    ]
    steps = [_step(child, lost) for child in children if not _to_tensor(child)]
    p = saved.get("p", 1.0)
    return steps if p == 1 else [{"Sequential": {"transforms": steps, "p": p}}]


def _to_tensor(saved: Mapping[str, Any]) -> bool:
    return _name(saved) in _TENSORS


def _step(saved: Mapping[str, Any], lost: _Lost) -> dict[str, Any]:
    name = "Sequential" if _name(saved) in _PIPELINES else _name(saved)
    if name == "OneOrOther" and len(saved.get("transforms", ())) == 2:
        return _one_or_other(saved, lost)
    given = {k: v for k, v in saved.items() if not k.startswith("__") and k != "transforms"}
    if name in CONTAINERS:
        params = {k: v for k, v in given.items() if k in CONTAINERS[name]}
        return {name: {"transforms": [_step(child, lost) for child in saved["transforms"]], **params}}
    if name not in catalogue.names():
        return {name: given}  # the policy's own check says why
    known, defaults = catalogue.parameters(name), catalogue.defaults(name)
    if not lost.same_version:  # which writes more than its transforms take
        lost += [
            f"{name}.{key}: no parameter of this version"
            for key in given
            if key not in known and given[key] is not None
        ]
    # What is as by default need not be written, but for p, which readers look for. A null may overrule a default.
    written = {
        k: v for k, v in given.items() if k in known and (k == "p" or k not in defaults or _differ(v, defaults[k]))
    }
    return {name: written}


def _one_or_other(saved: Mapping[str, Any], lost: _Lost) -> dict[str, Any]:
    """The first with probability p, else the second, whatever their own: a OneOf with these as weights."""
    share = float(saved.get("p", 0.5))
    steps = [_step(child, lost) for child in saved["transforms"]]
    for step, weight in zip(steps, (share, 1 - share), strict=True):
        (params,) = step.values()
        params["p"] = weight
    return {"OneOf": {"transforms": steps, "p": 1.0}}


def _differ(value: Any, default: Any) -> bool:
    return bool(_plain(value) != _plain(default))


def _name(saved: Mapping[str, Any]) -> str:
    return str(saved.get("__class_fullname__", "")).rpartition(".")[2]


def _plain(value: Any) -> Any:
    return [_plain(v) for v in value] if isinstance(value, (list, tuple)) else value
