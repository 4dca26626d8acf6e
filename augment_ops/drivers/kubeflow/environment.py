"""The compiler of Kubeflow Pipelines in the environment that has it: kfp does not install beside the rest."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from augment_ops import project, scratch, shipped
from augment_ops.drivers.kubeflow import compiler
from augment_ops.drivers.kubeflow.blueprint import Blueprint
from augment_ops.errors import Fault, InputError, ServiceError
from augment_ops.files import replace_file

# As `make kubeflow` makes it in a checkout; beside an installed program a person makes it.
PYTHON = (shipped.checkout() or project.folder()) / ".venv-kubeflow" / "bin" / "python"
_MAKE_IT = (
    "run `make kubeflow`"
    if shipped.checkout()
    else f"python3 -m venv {PYTHON.parents[1]} && {PYTHON.parent / 'pip'} install 'kfp>=2.17,<3'"
)
_TOLD = 500  # characters of what a compiler that failed said last


def compile_file(blueprint: Blueprint, output: Path, python: Path = PYTHON) -> None:
    """Write a blueprint as a file that Kubeflow Pipelines takes, whole or not at all.

    Args:
        output: ends in .yaml; its folder is made where it is absent.
        python: interpreter of an environment that has kfp.

    Raises:
        InputError: another ending, no image, or no such interpreter.
        ServiceError: kfp is not there, or refuses the blueprint.
    """
    faults = []
    if output.suffix != ".yaml":
        faults.append(Fault("--output", str(output), "a name that ends in .yaml", f"call it {output.stem}.yaml"))
    if not blueprint.image.strip():  # kfp would take one of its own
        faults.append(Fault("--image", repr(blueprint.image), "an image that holds augment-ops", "name it"))
    if not os.access(python, os.X_OK):
        expected = "the Python of an environment with kfp 2, which does not install beside the rest of this project"
        faults.append(Fault("kfp", f"no {python}", expected, f"{_MAKE_IT}; or name such a Python with --python"))
    if faults:
        raise InputError.of("kubeflow compile", faults)
    with scratch.folder("kubeflow") as folder:
        written = folder / "pipeline.yaml"
        done = subprocess.run(
            [python, "-I", compiler.__file__, written],  # -I: nothing of this environment is on its path
            input=json.dumps(blueprint.plain()),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = done.stderr.strip()[-_TOLD:] or f"exit code {done.returncode}"
            raise ServiceError(f"kfp of {python}", said, "a compiled pipeline", f"{_MAKE_IT}, and then this again")
        replace_file(output, written.read_bytes())


def variables(given: Iterable[str]) -> dict[str, str]:
    """Environment variables from `NAME=value`.

    Raises:
        InputError: every one that is of another form, at once.
    """
    split = [text.partition("=") for text in given]
    faults = [
        Fault("--env", repr(f"{name}{sign}")[:80], "NAME=value", "name a variable and its value")
        for name, sign, _ in split
        if not (name.isidentifier() and sign)
    ]
    if faults:
        raise InputError.of("kubeflow compile", faults)
    return {name: value for name, _, value in split}
