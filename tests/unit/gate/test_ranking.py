"""Items that are ranked: rules are about the first k, and classes are bands of items."""

from __future__ import annotations

import numpy as np
import pytest

from augment_ops.content import sha256_hex
from augment_ops.errors import PolicyError
from augment_ops.gate.decide import decide
from augment_ops.gate.decision import Decision
from augment_ops.gate.needs import unmet
from augment_ops.gate.rules import GateRules, load
from augment_ops.stress import measures
from augment_ops.stress.definition import RankingSpec
from augment_ops.stress.outcomes import Outcomes
from augment_ops.stress.ranking import Ranked
from augment_ops.stress.report import StressReport
from support.evidence import evidence_about
from support.places import POLICIES

N = 2_000
SPEC = RankingSpec(at=10, bands={"tail": 0, "head": 50})
ROLES = {"candidate": "c" * 64, "control": "d" * 64}
GOOD = {"candidate": (0.80, 0.75), "control": (0.80, 0.60)}


def outcomes_of(rules: GateRules, hits: dict[str, tuple[float, float]], tail: float = 1.0) -> Outcomes:
    """Outcomes in which a role has such a share of hits, clean and in every stressed cell.

    Args:
        tail: of the hits among rare items, the share that the candidate keeps.
    """
    addresses = (("clean", 0), *((c, s) for c in rules.invariance.corruptions for s in rules.invariance.severities))
    items = np.arange(N) % 4  # the first two are rare
    ranks = np.full((2, len(addresses), N), 11, np.int32)
    for m, role in enumerate(ROLES):
        for c, (_, severity) in enumerate(addresses):
            right = (np.arange(N) // 4) / (N // 4) < hits[role][severity > 0]
            if role == "candidate":
                right &= (items > 1) | (np.arange(N) // 4 / (N // 4) < tail * hits[role][severity > 0])
            ranks[m, c, right] = 10
    ranking = SPEC.as_asked()
    frequency = np.array([3, 0, 70, 90], np.int32)
    labels = ranking.band_of(frequency)[items]
    share = np.full(ranks.shape, 0.5, np.float16)
    return Outcomes(
        suite_digest="a" * 64,
        models=ROLES,
        addresses=addresses,
        classes=ranking.classes,
        sample_ids=tuple(f"s{i}" for i in range(N)),
        labels=labels.astype(np.int16),
        predicted=ranking.taken_for(ranks, labels).astype(np.int16),
        p_true=share,
        p_predicted=share,
        groups=np.zeros((0, N), np.int16),
        causes=("gone",),
        destroyed=np.zeros(ranks.shape[1:], np.uint8),
        ranked=Ranked(
            ranking=ranking,
            ranks=ranks,
            recommended=np.zeros((2, 4), np.int32),
            frequency=frequency,
            items=items.astype(np.int32),
        ),
    )


def judged(rules: GateRules, outcomes: Outcomes) -> Decision:
    report = StressReport(
        suite=rules.suite,
        suite_digest=outcomes.suite_digest,
        snapshot_digest="b" * 64,
        classes=outcomes.classes,
        models=outcomes.models,
        champion_version=None,
        cells=measures.cells(outcomes),
        confusion={},
        flipped=(),
        outcomes=sha256_hex(outcomes.to_bytes()),
        probe="0" * 64,
        seen={name: ("Crop",) for name, severity in outcomes.addresses if severity},
        measures=measures.measures(outcomes),
        slices=(),
    )
    return decide(rules, evidence_about(report), outcomes.to_bytes())


@pytest.fixture(scope="session")
def for_items(rules: GateRules) -> GateRules:
    return rules.model_copy(update={"ranking": SPEC, "calibration": None})


def test_a_candidate_whose_items_are_among_the_first_passes_and_the_page_says_of_what(for_items):
    decision = judged(for_items, outcomes_of(for_items, GOOD))
    assert decision.verdict == "PASS", decision.reasons
    assert any("recall at 10 by +15.0 points" in reason.message for reason in decision.reasons)
    assert all("not among" not in reason.message for reason in decision.reasons)


def test_a_tail_that_is_washed_out_is_a_class_that_lost(for_items):
    decision = judged(for_items, outcomes_of(for_items, GOOD, tail=0.5))
    assert decision.verdict == "FAIL"
    assert {reason.class_name for reason in decision.reasons if reason.outcome == "fail" and reason.class_name} == {
        "tail"
    }


def test_outcomes_of_another_ranking_are_no_evidence(for_items):
    other = for_items.model_copy(update={"ranking": RankingSpec(at=5, bands=SPEC.bands)})
    decision = judged(other, outcomes_of(for_items, GOOD))
    assert decision.verdict == "ERROR" and "a ranking of items, at 5" in decision.summary + str(decision.reasons)
    without = for_items.model_copy(update={"ranking": None})
    assert judged(without, outcomes_of(for_items, GOOD)).verdict == "ERROR"


def test_bands_are_what_a_suite_needs_samples_of(for_items):
    (need,) = unmet(for_items, {"tail": 5, "head": 5_000})
    assert need.rule == "class_recall" and need.has == {"tail": 5}


def test_rules_of_before_keep_their_digest_and_two_questions_are_refused(rules, for_items, tmp_path):
    assert rules.digest != for_items.digest and "ranking" not in rules.model_dump(mode="json")
    path = tmp_path / "ratings.yaml"
    text = (POLICIES / "gates" / "ratings.yaml").read_text()
    path.write_text(text + 'alerts: {class: "1", rate: 0.01}\n')
    with pytest.raises(PolicyError, match="alerts or ranking"):
        load(path)
    path.write_text(text + "equivalent: [[tail, head]]\n")
    with pytest.raises(PolicyError, match="ranking or equivalent"):
        load(path)
