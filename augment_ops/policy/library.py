"""The folder policies/: what is there by name."""

from __future__ import annotations

from pathlib import Path

from augment_ops.errors import PolicyError
from augment_ops.policy.limits import check_limits, load_limits
from augment_ops.policy.spec import Policy


def policy_path(policies: Path, name: str) -> Path:
    """Where the policy `name` lives: a name of the library, or the path of a file outside it."""
    if name.endswith((".yaml", ".yml")):
        return Path(name)
    return policies / "augment" / f"{name}.yaml"


def admit(policies: Path, name: str) -> Policy:
    """Load a policy and hold it against its domain's limits.

    Raises:
        PolicyError: unknown, faulty, or beyond its limits.
    """
    path = policy_path(policies, name)
    policy = Policy.load(path)
    check_limits(policy, load_limits(policies, policy.domain), str(path))
    return policy


def admit_to_run(policies: Path, name: str) -> Policy:
    """As `admit`, for a run that trains: what is trained, stress-tested and served reads the same images.

    Raises:
        PolicyError: also for a policy that normalises.
    """
    policy = admit(policies, name)
    if policy.normalises:
        raise PolicyError(
            f"{policy_path(policies, name)}: transforms[{len(policy.transforms) - 1}].Normalize",
            "float32 images on a scale of their own",
            "images as stress tests and production send them",
            "remove it: the model's own program scales its input",
        )
    return policy


def policy_names(policies: Path) -> list[str]:
    """Names of all policies of the library, sorted."""
    return sorted(path.stem for path in (policies / "augment").glob("*.yaml"))
