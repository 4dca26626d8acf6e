"""The packages of the wheel: those below augment_ops/, and the top level's policies/, dags/ and pins as data of it.

Everything else about the project stands in pyproject.toml, which can find packages or name them, and not do both.
"""

from __future__ import annotations

from pathlib import Path

from setuptools import find_namespace_packages, setup
from setuptools.command.build_py import build_py

SHIPPED = {
    "augment_ops.shipped.dags": "dags",
    "augment_ops.shipped.dags.plugins": "dags/plugins",
    "augment_ops.shipped.policies": "policies",
}
PINS = "constraints.txt"  # a file of the top level, which is no package that could be mapped


class WithPins(build_py):
    """Copies the pins into the package too; an editable installation reads those of its checkout."""

    def run(self) -> None:
        """Build, then copy."""
        super().run()
        if not self.editable_mode:
            self.copy_file(PINS, str(Path(self.build_lib) / "augment_ops" / "shipped" / PINS))


setup(
    packages=[*find_namespace_packages(include=["augment_ops*"], exclude=["*.__pycache__*"]), *SHIPPED],
    package_dir=SHIPPED,
    cmdclass={"build_py": WithPins},
)
