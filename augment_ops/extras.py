"""What comes with an extra of the package and not with the library alone, and what is said where it is missing."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from augment_ops import __version__
from augment_ops.errors import NotInstalled

# Module → the smallest extra that brings it (pyproject.toml has what is in each).
_EXTRA: Mapping[str, str] = {
    "airflow": "airflow",
    "evidently": "monitoring",
    "opentelemetry": "monitoring",
    "pg8000": "postgres",
    "pytorch_lightning": "lightning",
    "rfc3161_client": "timestamps",
    "s3fs": "s3",
    "safetensors": "networks",
    "timm": "networks",
    "torch": "torch",
    "torchvision": "networks",
    "triton": "gpu",
    **dict.fromkeys(
        (
            "cryptography", "fairlearn", "fastapi", "fsspec", "httptools", "httpx", "jinja2", "markupsafe",
            "matplotlib", "mlflow", "pandas", "pandera", "prometheus_client", "pyarrow", "skops", "sklearn",
            "sqlalchemy", "starlette", "uvicorn", "uvloop",
        ),
        "pipeline",
    ),
}  # fmt: skip


def require(module: str, for_what: str) -> None:
    """Ask for a library before it is imported, so that whoever lacks it is told which extra has it.

    Args:
        module: top-level name of one that an extra brings.
        for_what: what needs it, as the error's first words.

    Raises:
        NotInstalled: it is not there.
    """
    if find_spec(module) is None:
        raise _not_installed(module, for_what)


def missing(error: ModuleNotFoundError, for_what: str) -> NotInstalled | None:
    """What an import that failed comes to for a person; None where no extra brings the module."""
    module = (error.name or "").partition(".")[0]
    return _not_installed(module, for_what) if module in _EXTRA else None


def _not_installed(module: str, for_what: str) -> NotInstalled:
    wanted = f"augment-ops[{_EXTRA[module]}]"
    fix = f"pip install '{wanted}=={__version__}' (augment-ops[all] has everything)"
    return NotInstalled(for_what, f"no {module} in this environment", f"{wanted}, which brings it", fix)
