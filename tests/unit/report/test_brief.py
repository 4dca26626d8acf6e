"""What whoever decides is told, as the drivers show it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.console import Console

from augment_ops.cli.brief import show_brief
from augment_ops.content import canonical_json, from_json
from augment_ops.gate.compared import Beside, Fall, MeasuredShare, SideBySide
from augment_ops.report.brief import Brief, in_markdown, numbers, rows

ROTATION = Fall(what="rotation", loss=0.032, low=0.01, high=0.054, shown=True)
CLASS_8 = Fall(what="class 8, clean", loss=0.011, low=-0.005, high=0.026, shown=False)
CHAMPION = Beside(role="champion", share=0.965, gain=0.007, low=-0.003, high=0.017)
CONTROL = Beside(role="control", share=0.9, gain=0.072, low=0.05, high=0.09)
CLEAN = MeasuredShare(name="clean accuracy", share=0.972, low=0.959, high=0.981, n=451, beside=(CHAMPION, CONTROL))
COMPARED = SideBySide(confidence=0.95, measured=(CLEAN,), against="champion", looked_at=28, falls=(ROTATION, CLASS_8))
BRIEF = Brief(
    dataset="digits",
    version="4",
    champion="3",
    verdict="PASS",
    summary="It passes. It may be promoted.",
    policy="digits-robust 1.2.0, approved by ann",
    policy_before="digits-robust 1.1.0",
    policy_changes=("version: 1.1.0 → 1.2.0", "~ transforms[3].GaussNoise.p: 0.6 → 0.7"),
    environment="staging",
    started_by="eve",
    because="",
    compared=COMPARED,
    warnings=("data-wait: 12% of training was waiting.",),
)


def told(**changes: object) -> dict[str, str]:
    return dict(rows(replace(BRIEF, **changes)))


def test_verdict_policy_change_environment_asker_risk_and_warnings_are_told() -> None:
    assert told() == {
        "Verdict": "PASS: It passes. It may be promoted.",
        "Policy": "digits-robust 1.2.0, approved by ann",
        "Change of policy": "against digits-robust 1.1.0, with which champion 3 was trained: version: 1.1.0 → 1.2.0; "
        "~ transforms[3].GaussNoise.p: 0.6 → 0.7",
        "Environment": "staging: version 4 of digits, in the place of champion 3",
        "Started by": "eve",
        "What got worse": "against champion 3: rotation, −3.2 points (−5.4 to −1.0)",
        "Warnings": "data-wait: 12% of training was waiting.",
    }


def test_the_measures_stand_beside_those_of_champion_and_control() -> None:
    assert numbers(BRIEF) == (
        ["Measure", "Candidate", "Champion 3", "The control"],
        [
            [
                "Clean accuracy",
                "97.2% (95.9% to 98.1%), n = 451",
                "96.5%; +0.7 points (−0.3 to +1.7)",
                "90.0%; +7.2 points (+5.0 to +9.0)",
            ]
        ],
    )
    assert numbers(replace(BRIEF, compared=None)) == ([], [])


@pytest.mark.parametrize(
    ("changes", "row", "text"),
    [
        ({"because": "the window drifted"}, "Started by", "eve, because the window drifted"),
        ({"policy_changes": ()}, "Change of policy", "none: champion 3 was trained with the same policy"),
        (
            {"policy_changes": None},
            "Change of policy",
            "champion 3 was trained with digits-robust 1.1.0, whose text is not kept here",
        ),
        (
            {"champion": ""},
            "Change of policy",
            "nothing to compare with: no model was champion of staging when the gate decided",
        ),
        ({"champion": ""}, "Environment", "staging: version 4 of digits, as its first champion"),
        (
            {"champion": "4"},
            "Environment",
            "staging: version 4 of digits, which is its champion already, the same model",
        ),
        ({"version": ""}, "Environment", "staging"),
        (
            {"compared": replace(COMPARED, falls=(CLASS_8,))},
            "What got worse",
            "nothing is shown to be worse than champion 3, of 28 corruptions and classes; measured lowest is class 8, "
            "clean, −1.1 points (−2.6 to +0.5)",
        ),
        (
            {"compared": replace(COMPARED, falls=(replace(CLASS_8, low=0.003),))},
            "What got worse",
            "nothing is shown to be worse than champion 3, of 28 corruptions and classes; measured lowest is class 8, "
            "clean, −1.1 points (−2.6 to −0.3), which among so many may be chance",
        ),
        (
            {"compared": replace(COMPARED, against="control", falls=())},
            "What got worse",
            "nothing is shown to be worse than the control, of 28 corruptions and classes",
        ),
        (
            {"compared": replace(COMPARED, falls=(ROTATION,) * 6)},
            "What got worse",
            f"against champion 3: {'; '.join(['rotation, −3.2 points (−5.4 to −1.0)'] * 4)}; and 2 more, in the report",
        ),
        ({"warnings": ()}, "Warnings", "none"),
        ({"warnings": ("drift: it moves.", "cost: it grows.")}, "Warnings", "drift: it moves; cost: it grows."),
    ],
)
def test_what_there_is_not_is_said(changes: dict[str, object], row: str, text: str) -> None:
    assert told(**changes)[row] == text


def test_the_report_which_has_the_rest_shows_all_of_every_list() -> None:
    many = {"policy_changes": tuple("abcdefgh"), "warnings": tuple("stuvwxyz")}
    brief = replace(BRIEF, compared=replace(COMPARED, falls=(ROTATION,) * 6), **many)
    short, whole = dict(rows(brief)), dict(rows(brief, whole=True))
    cut = [name for name, text in short.items() if text.endswith(" more, in the report")]
    assert cut == ["Change of policy", "What got worse", "Warnings"]
    assert not any("in the report" in text for text in whole.values())
    assert whole["Change of policy"].endswith(": a; b; c; d; e; f; g; h")
    assert whole["What got worse"].count("rotation") == 6
    assert whole["Warnings"] == "s; t; u; v; w; x; y; z"


def test_in_markdown_what_others_wrote_is_text_in_one_cell() -> None:
    hostile = "x | y\n\n[a](https://evil.example/) **b** <img src=x>"
    table, *_ = in_markdown(replace(BRIEF, policy=hostile, warnings=(hostile,))).split("\n\n")
    lines = table.splitlines()
    assert len(lines) == 2 + len(rows(BRIEF))
    assert all(line.replace(r"\|", "").count("|") == 3 for line in lines)
    assert "](" not in table
    assert "https://" not in table
    assert "<img" not in table


def test_a_terminal_shows_the_same_in_a_narrow_window() -> None:
    console = Console(width=60, record=True, file=None, quiet=False)
    with console.capture() as shown:
        show_brief(console, BRIEF, {"report": "https://mlflow.example/" + "x" * 80, "gallery": ""})
    said = " ".join(shown.get().split())
    for name, _ in rows(BRIEF):
        assert name.split()[0] in said
    assert "https://mlflow.example/" + "x" * 80 in shown.get()  # an address that a table breaks opens nothing
    assert "gallery" not in said


def test_where_to_look_further_stands_apart_from_its_name() -> None:
    console = Console(width=60)
    with console.capture() as shown:
        show_brief(console, BRIEF, {"report": "r.html", "change of policy": "d.html"})
    assert shown.get().splitlines()[-2:] == ["report            r.html", "change of policy  d.html"]


def test_it_is_read_back_from_its_document() -> None:
    assert from_json(Brief, canonical_json(BRIEF)) == BRIEF
