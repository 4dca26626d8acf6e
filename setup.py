"""The packages of the wheel: those below augment_ops/, and the top level's policies/ and dags/ as data of it.

Everything else about the project stands in pyproject.toml, which can find packages or name them, and not do both.
"""

from __future__ import annotations

from setuptools import find_namespace_packages, setup

SHIPPED = {
    "augment_ops.shipped.dags": "dags",
    "augment_ops.shipped.dags.plugins": "dags/plugins",
    "augment_ops.shipped.policies": "policies",
}

setup(
    packages=[*find_namespace_packages(include=["augment_ops*"], exclude=["*.__pycache__*"]), *SHIPPED],
    package_dir=SHIPPED,
)
