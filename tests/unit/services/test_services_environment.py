from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from augment_ops.errors import InputError
from augment_ops.services.components import API_SERVER, MLFLOW, components
from augment_ops.services.environment import is_external_mlflow, mlflow_address, stack_environment
from augment_ops.services.layout import STACK_MARK, Layout, dags_folder
from augment_ops.services.people import people
from augment_ops.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "policies").mkdir()
    return Settings.from_environment(
        {
            "AUGMENT_OPS_HOME": str(tmp_path / "my home"),
            "AUGMENT_OPS_POLICIES": str(tmp_path / "policies"),
            "AUGMENT_OPS_AIRFLOW_PORT": "18080",
            "AUGMENT_OPS_MLFLOW_PORT": "15000",
        }
    )


def environment(settings: Settings, inherited: dict[str, str]) -> dict[str, str]:
    return stack_environment(settings, Path("/project/dags"), people(settings.policies), inherited)


def test_another_airflow_of_the_user_cannot_reach_in(settings: Settings) -> None:
    inherited = {
        "AIRFLOW_HOME": "/elsewhere",
        "AIRFLOW_CONFIG": "/elsewhere/airflow.cfg",
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql://production",
        "MLFLOW_TRACKING_URI": "http://elsewhere:5000",
        "AUGMENT_OPS_AIRFLOW_LOGIN": "elsewhere",
        "AUGMENT_OPS_AIRFLOW_PASSWORDS": "/elsewhere/passwords.json",
    }

    found = environment(settings, inherited)

    assert not [name for name, value in found.items() if "elsewhere" in value or value == inherited.get(name)]
    assert found["AIRFLOW_HOME"] == str(settings.home / "airflow")
    assert found["AIRFLOW__CORE__EXECUTOR"] == "LocalExecutor"


def test_our_dags_have_our_roles_and_other_dags_those_of_airflow(settings: Settings) -> None:
    ours = stack_environment(settings, Path(__file__).parents[3] / "dags", people(settings.policies), {})
    assert ours["AIRFLOW__CORE__AUTH_MANAGER"] == "airflow_roles.GovernedAuthManager"
    assert environment(settings, {})["AIRFLOW__CORE__AUTH_MANAGER"].endswith(".SimpleAuthManager")


def test_what_we_do_not_set_passes_through(settings: Settings) -> None:
    found = environment(settings, {"AIRFLOW__METRICS__OTEL_ON": "True", "OTEL_SERVICE_NAME": "here"})

    assert found["AIRFLOW__METRICS__OTEL_ON"] == "True"
    assert found["OTEL_SERVICE_NAME"] == "here"


def test_all_state_lies_below_the_home_and_all_addresses_on_loopback(settings: Settings) -> None:
    found = environment(settings, {})

    assert found["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert found["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://127.0.0.1:18080/execution/"
    assert found["MLFLOW_TRACKING_URI"] == "http://127.0.0.1:15000"
    for name in (
        "AIRFLOW_HOME",
        "AIRFLOW_CONFIG",
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE",
    ):
        assert found[name].startswith(f"{settings.home}/"), name
    for component in components(settings):
        assert "0.0.0.0" not in component.command


def test_the_mark_survives_processes_that_change_their_title(settings: Settings) -> None:
    found = environment(settings, {STACK_MARK: "of another stack"})

    assert found[STACK_MARK] == Layout(settings.home).stack_id
    assert found["SPT_NOENV"] == "1"


def test_a_proxy_of_the_shell_does_not_stand_between_tasks_and_airflow(settings: Settings) -> None:
    found = environment(settings, {"HTTP_PROXY": "http://proxy:3128", "no_proxy": "corp,localhost"})

    assert found["no_proxy"] == "corp,localhost,127.0.0.1"
    assert found["NO_PROXY"] == "127.0.0.1,localhost"


def test_a_server_that_the_user_named_is_used_and_none_started(settings: Settings) -> None:
    external = replace(settings, mlflow_uri="https://mlflow.example.org")

    assert MLFLOW not in [component.name for component in components(external)]
    assert environment(external, {})["MLFLOW_TRACKING_URI"] == "https://mlflow.example.org"


@pytest.mark.parametrize("own", ["http://127.0.0.1:15000", "http://localhost:15000/"])
def test_our_own_address_in_the_shell_is_not_a_server_elsewhere(settings: Settings, own: str) -> None:
    again = replace(settings, mlflow_uri=own)

    assert not is_external_mlflow(again)
    mlflow = next(component for component in components(again) if component.name == MLFLOW)
    assert mlflow.environment["MLFLOW_BACKEND_STORE_URI"] == f"sqlite:///{settings.home}/mlflow/mlflow.db"
    assert mlflow_address(again) == "http://127.0.0.1:15000"


def test_each_port_names_the_variable_that_moves_it(settings: Settings) -> None:
    ports = {c.name: (c.port.number, c.port.variable) for c in components(settings) if c.port}

    assert ports == {API_SERVER: (18080, "AUGMENT_OPS_AIRFLOW_PORT"), MLFLOW: (15000, "AUGMENT_OPS_MLFLOW_PORT")}


def test_homes_have_different_marks_and_one_home_always_the_same(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")

    assert Layout(tmp_path / "a").stack_id == Layout(tmp_path / "link").stack_id
    assert Layout(tmp_path / "a").stack_id != Layout(tmp_path / "b").stack_id


def test_a_dag_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert dags_folder({"AUGMENT_OPS_DAGS": str(tmp_path)}) == tmp_path
    with pytest.raises(InputError, match="AUGMENT_OPS_DAGS"):
        dags_folder({"AUGMENT_OPS_DAGS": str(tmp_path / "nowhere")})


def test_no_command_shows_a_secret(settings: Settings) -> None:
    """Whoever is on the machine reads what `ps` shows; an environment its owner alone."""
    served = replace(
        settings, mlflow_uri="postgresql://mlflow:s3cret@db/mlflow", ledger="postgresql://ledger:s3cret@db/ledger"
    )

    assert "s3cret" not in str([component.command for component in components(served)])
    mlflow = next(component for component in components(served) if component.name == MLFLOW)
    assert mlflow.environment["MLFLOW_BACKEND_STORE_URI"] == served.mlflow_uri
