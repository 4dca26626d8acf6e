"""The folder policies/: what is there by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from augment_ops.errors import Fault, PolicyError
from augment_ops.modalities import modality
from augment_ops.policy.bounds import load_limits
from augment_ops.policy.limits import check_limits, leaves
from augment_ops.policy.published import check_published, load_published, published_path
from augment_ops.policy.spec import Policy
from augment_ops.policy.yaml_file import parse, read_text

_AT = "@"  # between the name and the version of a published policy


def policy_path(policies: Path, name: str) -> Path:
    """Where the policy `name` lives.

    Args:
        name: a name of the library, a published version of it (`digits-robust@1.0.0`), or the path of a file outside.
    """
    if name.endswith((".yaml", ".yml")):
        return Path(name)
    base, at, version = name.partition(_AT)
    return published_path(policies, base, version) if at else policies / "augment" / f"{name}.yaml"


def load(policies: Path, name: str) -> Policy:
    """Load a policy by name, published version or path, whatever its limits; families that ask for it are narrowed.

    Raises:
        PolicyError: unknown or faulty.
    """
    base, at, version = name.partition(_AT)
    if at and not name.endswith((".yaml", ".yml")):
        return load_published(policies, base, version)
    return Policy.load(policy_path(policies, name), policies)


def admit(policies: Path, name: str) -> Policy:
    """Load a policy, hold it against its domain's limits and against what was published under its name.

    Raises:
        PolicyError: unknown, faulty, beyond its limits, or other content than its version was published with.
    """
    path = policy_path(policies, name)
    policy = load(policies, name)
    check_limits(policy, load_limits(policies, policy.domain), str(path))
    if policy_path(policies, f"{policy.name}{_AT}{policy.version}") != path:
        check_published(policies, policy, str(path))
    return policy


def admit_to_run(policies: Path, name: str) -> Policy:
    """As `admit`, for a run that trains: what is trained, stress-tested and served reads the same samples.

    Raises:
        PolicyError: also for a policy that gives others, as one that normalises does.
    """
    policy = admit(policies, name)
    for fault in modality(policy.modality).catalogue.run_faults(policy.transforms):
        raise PolicyError(f"{policy_path(policies, name)}: {fault.where}", fault.found, fault.expected, fault.fix)
    return policy


def admit_to_serve(policies: Path, name: str) -> Policy:
    """As `admit_to_run`, for a service, which has a sample and neither its label nor its data set.

    Raises:
        PolicyError: also for a policy that mixes samples, or whose transforms look at others of the data set.
    """
    policy = admit_to_run(policies, name)
    catalogue = modality(policy.modality).catalogue
    found, expected = "a transform that looks at other samples of the data set", "one that needs its sample alone"
    fix = "serve another policy, or make a version without it"
    faults = [
        Fault(where, found, expected, fix)
        for where, step in leaves(policy.transforms)
        if catalogue.needs_population(step.name)
    ]
    if policy.mixing is not None:
        fix = "serve a version without `mixing`"
        faults.append(Fault("mixing", policy.mixing.kind, "samples that stay apart, with their labels", fix))
    if faults:
        raise PolicyError.of(f"{policy_path(policies, name)}, for a service", faults)
    return policy


@dataclass(frozen=True)
class Heading:
    """What the file of a policy says of itself before its transforms."""

    name: str
    version: str
    modality: str


def heading(policies: Path, name: str) -> Heading:
    """Read a policy's heading and nothing else: what it is made of takes seconds to read, and is not looked at.

    Raises:
        PolicyError: there is no such file, or no heading in it.
    """
    path = policy_path(policies, name)
    told = parse(read_text(path, kind="policy"), str(path))
    missing = [key for key in ("name", "version", "modality") if not isinstance(told.get(key), str)]
    if missing:
        found = f"no {' and no '.join(missing)}"
        raise PolicyError(str(path), found, "the heading of a policy", "augment-ops policy validate")
    return Heading(told["name"], told["version"], told["modality"])


def policy_names(policies: Path) -> list[str]:
    """Names of all policies of the library, sorted."""
    return sorted(path.stem for path in (policies / "augment").glob("*.yaml"))


def is_published(policies: Path, policy: Policy) -> bool:
    """Whether this version was published."""
    return published_path(policies, policy.name, policy.version).is_file()
