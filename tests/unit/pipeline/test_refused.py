"""A run that is refused leaves a page that says why and what to do; none stays of a run that goes on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from augment_ops.errors import CheckRefused, Fault, GovernanceError, InputError, StoreError
from augment_ops.pipeline.begin import begin_run
from augment_ops.pipeline.context import Context
from augment_ops.pipeline.parameters import RunParams
from augment_ops.pipeline.provenance import enter_run
from augment_ops.pipeline.refused import in_a_stage, page_of
from augment_ops.settings import Settings

RUN = "manual__2026-11-28T19:00:00+00:00"
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("AUGMENT_OPS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv(
        "MLFLOW_TRACKING_URI", "http://127.0.0.1:9"
    )  # which does not answer: the page is kept all the same
    return Settings.from_environment()


def begin(settings: Settings, told: list[str] | None, **asked: str) -> None:
    shown = None if told is None else told.append
    begin_run(settings, RUN, asked, "ann", check=lambda params: None, warn=lambda line: None, shown=shown)


def test_a_run_that_never_began(settings: Settings) -> None:
    told: list[str] = []
    with pytest.raises(InputError):
        begin(settings, told, gate="none-such", quality="none-such", dataset=HOSTILE)
    page = page_of(settings, RUN)
    assert told == [str(page)]
    text = page.read_text()
    assert "Refused before it began" in text
    assert "2 things stop this run" in text
    assert text.count("none-such") >= 2
    assert HOSTILE not in text
    assert "&lt;script&gt;" in text
    begin(settings, told)
    assert not page.exists()


def test_a_slip_on_the_command_line_leaves_none(settings: Settings) -> None:
    with pytest.raises(InputError):
        begin(settings, None, gate="none-such")
    assert not page_of(settings, RUN).exists()


@pytest.mark.parametrize(
    ("error", "is_final"),
    [
        (CheckRefused("check_data", "a leak", "none", "mend it"), True),
        (GovernanceError.of("rules", [Fault("a", "b", "c", "d"), Fault("e", "f", "g", "h")]), True),
        (StoreError("disk", "full", "room", "free space"), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_stage_that_is_refused_and_then_done(settings: Settings, error: Exception, *, is_final: bool) -> None:
    enter_run(settings, RUN, RunParams(), "ann", "http://elsewhere.example/dags")
    told: list[str] = []
    ctx = replace(Context.of(settings, RUN), say=told.append)
    with pytest.raises(type(error)), in_a_stage(ctx, "check_data", told.append):
        raise error
    page = page_of(settings, RUN)
    assert page.exists() == is_final
    if is_final:
        text = page.read_text()
        assert "Stopped at check_data" in text
        assert all(fault.fix in text for fault in error.faults)  # type: ignore[attr-defined]
        assert "elsewhere.example" not in text
    with in_a_stage(ctx, "check_data", told.append):
        pass
    assert not page.exists()
