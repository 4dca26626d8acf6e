"""docker-compose.yml without Docker: its form, its files, and every command and name that it hands to others."""

from __future__ import annotations

import json
import os
import re
import shlex
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import yaml
from pydantic import BaseModel, ConfigDict, Field

from augment_ops.services.people import people, simple_auth_users

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docker-compose.yml").read_text()
EXAMPLE = dict(
    line.split("=", 1) for line in (ROOT / ".env.example").read_text().splitlines() if line and not line.startswith("#")
)
FILLED = {name: value or f"{name.lower().replace('_', '')}1" for name, value in EXAMPLE.items()}
VARIABLE = re.compile(r"\$(?:(\$)|\{(\w+)(?::([?-])([^}]*))?\})")


def interpolated(text: str, env: dict[str, str]) -> str:
    """As Compose does it: ${A}, ${A:-default}, ${A:?message}, $$."""

    def value(match: re.Match[str]) -> str:
        escaped, name, kind, rest = match.groups()
        if escaped:
            return "$"
        found = env.get(name, "")
        if not found and kind == "?":
            raise KeyError(f"{name}: {rest}")
        return found or (rest if kind == "-" else "")

    return VARIABLE.sub(value, text)


COMPOSE = yaml.safe_load(interpolated(TEXT, FILLED))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ONCE = {"migrate", "ledger"}


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


Duration = Annotated[str, Field(pattern=r"^\d+(s|m|h)$")]
Scalar = str | int | float | None


class Healthcheck(Strict):
    test: Annotated[list[str], Field(min_length=2)]
    interval: Duration
    timeout: Duration
    retries: int
    start_period: Duration


class Build(Strict):
    context: Literal["."]
    target: str


class DependsOn(Strict):
    condition: Literal["service_healthy", "service_completed_successfully"]


class Service(Strict):
    """What of the Compose specification is used here."""

    image: Annotated[str, Field(pattern=r"^[a-z0-9./-]+:v?\d+\.\d+(\.\d+)?(-[a-z0-9]+)?$")]
    build: Build | None = None
    user: str
    command: list[str] | None = None
    entrypoint: list[str] | None = None
    profiles: list[str] = []
    environment: dict[str, Scalar] = {}
    volumes: list[str] = []
    ports: list[Annotated[str, Field(pattern=r"^127\.0\.0\.1:\d+:\d+$")]] = []
    secrets: list[str] = []
    depends_on: dict[str, DependsOn] = {}
    healthcheck: Healthcheck | None = None
    init: Literal[True]
    restart: Literal["unless-stopped", "no"]
    stop_grace_period: Duration = "10s"
    cap_drop: list[Literal["ALL"]]
    security_opt: list[Literal["no-new-privileges:true"]]


class Compose(Strict):
    name: str
    services: dict[str, Service]
    volumes: dict[str, None]
    secrets: dict[str, dict[Literal["environment"], str]]


def test_its_form_is_that_of_the_specification() -> None:
    Compose.model_validate({key: value for key, value in COMPOSE.items() if not key.startswith("x-")})


def test_what_was_asked_for_is_there() -> None:
    assert set(SERVICES) == {
        "postgres",
        "valkey",
        "mlflow",
        "migrate",
        "ledger",
        "api-server",
        "scheduler",
        "dag-processor",
        "triggerer",
        "worker",
        "metrics",
        "serving",
        "otel-collector",
        "prometheus",
        "alertmanager",
        "grafana",
    }


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_is_without_root_and_says_how_it_is(name: str) -> None:
    service = SERVICES[name]
    assert service["user"] and not re.match(r"(0|root)\b", str(service["user"]))
    assert ("healthcheck" in service) != (name in ONCE)
    for needed, how in service.get("depends_on", {}).items():
        assert how["condition"] == ("service_completed_successfully" if needed in ONCE else "service_healthy")


def test_no_secret_has_a_default_and_none_is_written_down() -> None:
    used = {match[2]: match[3] for match in VARIABLE.finditer(TEXT) if match[2]}
    secret = {name for name in EXAMPLE if re.search(r"PASSWORD|SECRET|KEY", name)}
    assert len(secret) == 13
    assert {name for name in secret if EXAMPLE[name]} == set()
    # A mail server may ask for no password.
    assert {name for name in secret if used.get(name) != "?"} == {"SMTP_PASSWORD"}
    with pytest.raises(KeyError, match="GRAFANA_PASSWORD: set it"):
        interpolated(TEXT, {**FILLED, "GRAFANA_PASSWORD": ""})


def test_the_example_names_exactly_the_variables_that_are_used() -> None:
    used = {match[2] for match in VARIABLE.finditer(TEXT) if match[2]}
    assert used | {secret["environment"] for secret in COMPOSE["secrets"].values()} == set(EXAMPLE)
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()


def mounts() -> Iterator[tuple[str, str, str]]:
    for name, service in SERVICES.items():
        for volume in service.get("volumes", []):
            source, target = volume.split(":")[:2]
            yield name, source, target


def test_every_mounted_file_exists_and_every_volume_is_declared_and_used() -> None:
    named = {source for _, source, _ in mounts() if not source.startswith(".")}
    assert named == set(COMPOSE["volumes"])
    files = {source for _, source, _ in mounts() if source.startswith(".") and source != EXAMPLE["AUGMENT_OPS_DATA"]}
    assert {source for source in files if not (ROOT / source).exists()} == set()
    assert len(files) >= 8


def test_files_named_in_commands_are_mounted_there() -> None:
    for name, service in SERVICES.items():
        text = " ".join(service.get("command") or [])
        targets = [target for owner, _, target in mounts() if owner == name]
        for path in re.findall(r"/etc/augment-ops/[\w./]+", text):
            assert path in targets
    provider = yaml.safe_load((ROOT / "monitoring/grafana/provisioning/dashboards/augment_ops.yml").read_text())
    assert ("grafana", "./monitoring/grafana/dashboards", provider["providers"][0]["options"]["path"]) in list(mounts())
    assert yaml.safe_load((ROOT / "monitoring/prometheus/prometheus.yml").read_text())["rule_files"] == ["alerts.yml"]


def addresses() -> Iterator[tuple[str, str]]:
    """host and port of everything that a service is told to speak to."""
    for service in SERVICES.values():
        told = [*map(str, service.get("environment", {}).values()), *(service.get("command") or [])]
        yield from (found for text in told for found in re.findall(r"(?:://|@)([a-z-]+):(\d+)", text))
    prometheus = yaml.safe_load((ROOT / "monitoring/prometheus/prometheus.yml").read_text())
    jobs = [*prometheus["scrape_configs"], *prometheus["alerting"]["alertmanagers"]]
    for target in [target for job in jobs for config in job.get("static_configs", []) for target in config["targets"]]:
        yield tuple(target.split(":"))
    named = [config for job in jobs for config in job.get("dns_sd_configs", [])]
    yield from ((name, str(config["port"])) for config in named for name in config["names"])
    source = yaml.safe_load((ROOT / "monitoring/grafana/provisioning/datasources/prometheus.yml").read_text())
    yield from re.findall(r"//([a-z-]+):(\d+)", source["datasources"][0]["url"])


def test_every_address_is_that_of_a_service_at_its_port() -> None:
    listens = {
        "postgres": {"5432"}, "valkey": {"6379"}, "mlflow": {"5000"}, "api-server": {"8080"}, "metrics": {"9464"},
        "otel-collector": {"4317", "4318", "8889"}, "prometheus": {"9090"}, "alertmanager": {"9093"},
        "serving": {"8100"},
        "localhost": {"8080", "9090"},  # for people's browsers, and Prometheus of itself
    }  # fmt: skip
    found = set(addresses())
    assert {(host, port) for host, port in found if port not in listens.get(host, set())} == set()
    assert {host for host, _ in found} >= {
        "postgres",
        "valkey",
        "mlflow",
        "api-server",
        "metrics",
        "otel-collector",
        "serving",
    }
    collector = (ROOT / "monitoring/otel/collector.yml").read_text()
    assert all(f"0.0.0.0:{port}" in collector for port in (*listens["otel-collector"], "13133"))
    allowed = next(word for word in SERVICES["mlflow"]["command"] if word.startswith("--allowed-hosts="))
    assert {"mlflow:5000", "localhost:5000"} <= set(allowed.partition("=")[2].split(","))


def test_the_logins_are_the_people_of_the_policies() -> None:
    given = SERVICES["api-server"]["environment"]["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"]
    assert given == simple_auth_users(people(ROOT / "policies"))


def test_every_setting_and_command_of_airflow_exists_in_this_version(tmp_path: Path) -> None:
    commands = [s["command"][1:] for s in SERVICES.values() if (s.get("command") or [""])[0] == "airflow"]
    commands += [s["healthcheck"]["test"][2:] for s in SERVICES.values() if "jobs" in str(s.get("healthcheck"))]
    assert len(commands) == 8
    environment = json.dumps(SERVICES["worker"]["environment"])
    found = json.loads(told(_AIRFLOW, tmp_path, environment, json.dumps(commands)))
    assert len(found["known"]) >= 18
    assert found["unknown"] == []
    assert SERVICES["worker"]["environment"]["AIRFLOW__CORE__PLUGINS_FOLDER"] == "/opt/augment-ops/dags/plugins"
    assert found["imported"] == ["CeleryExecutor", "GovernedAuthManager", "Celery"]
    assert found["commands"] == len(commands)


@pytest.mark.slow
def test_every_option_of_mlflow_is_one(tmp_path: Path) -> None:
    program, command, *options = SERVICES["mlflow"]["command"]
    assert [program, command, *options[:1]] == ["python", "-m", "augment_ops.tracking.server"]
    options = options[1:]
    parsed = json.loads(told(_MLFLOW, tmp_path, json.dumps(options)))
    assert parsed == {"serve_artifacts": True, "artifacts_destination": "/artifacts", "host": "0.0.0.0", "known": True}


def test_mlflow_asks_for_a_login_and_tasks_have_it() -> None:
    from augment_ops.tracking import server

    served, task = SERVICES["mlflow"]["environment"], SERVICES["worker"]["environment"]
    assert served["MLFLOW_AUTH_ADMIN_USERNAME"] == task["MLFLOW_TRACKING_USERNAME"] == "augment-ops"
    assert served["MLFLOW_AUTH_ADMIN_PASSWORD"] == task["MLFLOW_TRACKING_PASSWORD"] == FILLED["MLFLOW_PASSWORD"]
    assert served["MLFLOW_FLASK_SERVER_SECRET_KEY"] == FILLED["MLFLOW_SECRET"]
    assert served[server.READERS] == f"/run/secrets/{SERVICES['mlflow']['secrets'][0]}"
    assert COMPOSE["secrets"]["mlflow_readers"] == {"environment": "MLFLOW_READERS"}
    secrets = [FILLED[name] for name in ("MLFLOW_DB_PASSWORD", "MLFLOW_PASSWORD", "MLFLOW_SECRET")]
    assert not [word for word in SERVICES["mlflow"]["command"] if any(secret in word for secret in secrets)]


def test_our_own_command_is_one() -> None:
    import typer

    from augment_ops.cli import audit, metrics

    app = typer.Typer()
    metrics.register(app)
    audit.register(app)
    group: Any = typer.main.get_command(app)
    program, *words = SERVICES["metrics"]["command"]
    assert program == "augment-ops"
    serve = group.commands[words[0]].commands[words[1]]
    assert serve.make_context("serve", words[2:]).params["port"] == 9464
    program, *words = SERVICES["ledger"]["command"]
    create = group.commands[words[0]].commands[words[1]]
    assert (program, create.make_context("create", words[2:]).params["grant"]) == ("augment-ops", "augment_ops")


def test_alertmanager_is_started_with_a_configuration_that_it_takes(
    program: Callable[[str], str], tmp_path: Path
) -> None:
    service = SERVICES["alertmanager"]
    (script,) = service["command"]
    shell, flags = service["entrypoint"]
    script = script.replace("/etc/augment-ops", shlex.quote(str(ROOT / "monitoring" / "alertmanager")))
    script = re.sub(r"exec alertmanager .*", "", script)
    script = script.replace("/tmp/alertmanager.yml", shlex.quote(str(tmp_path / "a.yml")))
    environment = {"PATH": os.environ["PATH"], **{k: str(v) for k, v in service["environment"].items()}}
    subprocess.run([shell, flags, script], env=environment | {"SMTP_USER": ""}, check=True, timeout=60)
    made = yaml.safe_load((tmp_path / "a.yml").read_text())
    assert made["global"]["smtp_smarthost"] == "smtphost1:587"
    assert made["receivers"][1]["email_configs"][0]["to"] == "alertemailto1"
    assert made["global"]["smtp_auth_password_file"] == f"/run/secrets/{service['secrets'][0]}"
    subprocess.run([program("amtool"), "check-config", str(tmp_path / "a.yml")], check=True, timeout=60)


def test_the_image_is_made_of_files_that_exist_and_are_not_ignored() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    copied = [shlex.split(line)[1:-1] for line in lines if line.startswith("COPY") and "--from" not in line]
    sources = [word for words in copied for word in words if not word.startswith("--")]
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert set(sources) == kept
    assert {source for source in sources if not (ROOT / source).exists()} == set()
    stages = {line.split()[-1] for line in lines if line.startswith("FROM")}
    assert {s["build"]["target"] for s in SERVICES.values() if "build" in s} <= stages
    tags = [line.partition("=")[2] for line in lines if line.startswith("ARG ") and "=" in line]
    assert all(re.search(r":\d+\.\d+\.\d+", tag) for tag in tags)


def test_the_image_installs_what_the_stack_names() -> None:
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    pinned = {line.split("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines()}
    assert '".[deploy]"' in (ROOT / "Dockerfile").read_text()
    assert re.match(r"augment-ops\[all,.*\bpostgres\b", extras["deploy"][0])  # the stack, and the ledger's driver
    for name in ("apache-airflow-providers-celery", "asyncpg", "psycopg2-binary", "redis"):
        assert name in extras["deploy"]
        assert name in pinned


def test_the_databases_are_those_that_are_asked_for() -> None:
    script = ROOT / "deploy" / "databases.sh"
    assert script.stat().st_mode & stat.S_IXUSR  # for others is up to the umask of whoever made the copy
    subprocess.run(["bash", "-n", str(script)], check=True, timeout=60)
    (parts,) = re.findall(r"for part in (.*); do", script.read_text())
    asked = set(re.findall(r"://(\w+):\w+@postgres:5432/(\w+)", interpolated(TEXT, FILLED)))
    assert asked == {(part, part.removesuffix("_owner")) for part in parts.split()} | {("augment_ops", "augment_ops")}
    given = {name for name in SERVICES["postgres"]["environment"] if name.endswith("_DB_PASSWORD")}
    assert given == {f"{part.upper()}_DB_PASSWORD" for part in (*parts.split(), "augment_ops")}


def test_the_owner_of_the_ledger_is_known_to_nobody_who_works_with_it() -> None:
    knowing = {
        name for name, service in SERVICES.items() if "augment_ops_owner" in json.dumps(service.get("environment"))
    }
    assert knowing == {"ledger"}
    assert "ledger" in SERVICES["worker"]["depends_on"]
    assert set(SERVICES["metrics"]["depends_on"]) == {"ledger"}


_AIRFLOW = """
import json, sys
from importlib import import_module
from airflow.cli.cli_parser import get_parser
from airflow.configuration import conf
from airflow.providers.celery.executors.celery_executor import CeleryExecutor, app
env = json.loads(sys.argv[1])
known, unknown = [], []
for name in env:
    if name.startswith("AIRFLOW__"):
        section, option = name.removeprefix("AIRFLOW__").lower().split("__")
        here = conf.configuration_description.get(section, {}).get("options", {})
        (known if option in here else unknown).append(name)
module, cls = env["AIRFLOW__CORE__AUTH_MANAGER"].rsplit(".", 1)
manager = getattr(import_module(module), cls)
# Its own options are read without being described.
simple = import_module(manager.__mro__[1].__module__)
source = open(simple.__file__).read() + open(import_module("airflow.configuration").__file__).read()
unknown = [n for n in unknown if n.split("__")[2].lower() not in source]
connection = json.loads(env["AIRFLOW_CONN_AUGMENT_OPS_EMAIL"])
assert connection["extra"]["to"] and connection["port"] == 587
commands = [get_parser().parse_args(words).func for words in json.loads(sys.argv[2])]
print("RESULT" + json.dumps({"known": known, "unknown": unknown, "commands": len(commands),
    "imported": [CeleryExecutor.__name__, manager.__name__, type(app).__name__]}))
"""
_MLFLOW = """
import json, sys
from mlflow.cli import cli
import mlflow.environment_variables as variables
found = cli.commands["server"].make_context("server", json.loads(sys.argv[1])).params
asked = {name: found[name] for name in ("serve_artifacts", "artifacts_destination", "host")}
print("RESULT" + json.dumps({**asked, "known": hasattr(variables, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION")}))
"""


def told(code: str, home: Path, *arguments: str) -> str:
    environment = {**os.environ, "AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    environment["AIRFLOW__CORE__EXECUTOR"] = "CeleryExecutor"
    environment["AIRFLOW__CORE__PLUGINS_FOLDER"] = str(ROOT / "dags" / "plugins")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        cwd=home,
    )
    line = next((line for line in done.stdout.splitlines() if line.startswith("RESULT")), None)
    assert line is not None, done.stderr[-3000:]
    return line.removeprefix("RESULT")
