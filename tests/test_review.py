"""Approved special cases (特例单议) in the price and in the quota, against a loop that reads the rules aloud."""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline import ledger_tables as tables
from pipeline.decide import QuotaUse, Review, used_before
from pipeline.decisions import Decision, decisions_sha, load_decisions, store
from pipeline.ledger import open_ledger
from pipeline.region import Region
from tests.pricing_fixtures import DAY, WEIGHTS, Case, Priced, dated, dip_pack, plain_pack, priced, write_pack

REVIEWED_ON = dt.date(2025, 11, 5)
HELD = {"CC": {"treatment": "case_review"}}
SCORES = {"AA": "800", "BB": "900", "CC": "1000"}


def decided(case_id: str, decision: Any = "by_item", fen: int | None = None, rank: int = 1) -> Decision:
    return Decision(case_id, decision, fen, rank, "王某", REVIEWED_ON, "长期住院", "")


def rate_pack(**changes: Any) -> dict[str, Any]:
    off = dated(ungrouped={"treatment": "by_item"}, ambiguous={"treatment": "table_weight"}, groups=HELD)
    return plain_pack(
        **{"off_path": [off], "review": [dated(quota_share="0.05", stay_days_ge=60)], **changes}
    )


def score_pack(**changes: Any) -> dict[str, Any]:
    off = dated(ungrouped={"treatment": "by_item"}, excluded={"treatment": "by_item"}, groups=HELD)
    return dip_pack(**{"off_path": [off], "review": [dated(quota_share="0.005", stay_days_ge=60)], **changes})


def review_of(region: Region, decisions: Sequence[Decision], before: Sequence[QuotaUse] = ()) -> Review:
    return Review(tuple(region.pack.review), tuple(decisions), tuple(before))


def outcomes(run: Priced) -> dict[str, str]:
    return {row["case_id"]: row["outcome"] for row in run.rows("review_outcome")}


# --- the effect on a price, each number by hand

# S of AA at H2 is 0.9258 × 9575.25 × 0.92 = 8155.59 (published); F 9000.00, recorded 5400.00.
# difference: by item 9000.00 − (9000.00 − 5400.00) = 5400.00; adjusted 8500.00 − 3600.00 = 4900.00.
# ratio: by item 9000.00 × 5400 ÷ 9000 = 5400.00; adjusted 8500.00 × 0.6 = 5100.00.
# policy, own pay 1000.00, benefit 0.8: by item (9000 − 1000) × 0.8 = 6400.00; adjusted (8500 − 1000) × 0.8 = 6000.00.
FUNDS = {
    "difference": (dated(method="difference", negative="keep"), 540_000, 490_000),
    "ratio": (dated(method="ratio", of="case"), 540_000, 510_000),
    "policy": (dated(method="policy", benefit={"310": "0.8", "390": "0.7"}), 640_000, 600_000),
}
CASES = [
    *(Case(f"plain{number}", ownpay_fee_fen=100_000) for number in range(37)),
    Case("item", ownpay_fee_fen=100_000), Case("given", ownpay_fee_fen=100_000), Case("no", ownpay_fee_fen=100_000),
    Case("held", "CC", ownpay_fee_fen=100_000), Case("waits", "CC", ownpay_fee_fen=100_000),
]  # fmt: skip
DECISIONS = [
    decided("item"), decided("given", "adjusted", 850_000, 2), decided("no", "rejected", None, 0),
]  # fmt: skip


@pytest.mark.parametrize("method", FUNDS)
@pytest.mark.parametrize("pack", [rate_pack, score_pack])
def test_a_decision_replaces_the_amount_before_the_fund_conversion(
    method: str, pack: Any, tmp_path: Path
) -> None:
    entry, by_item, adjusted = FUNDS[method]
    scores = SCORES if pack is score_pack else None
    weights = {} if scores else WEIGHTS
    share = dated(quota_share="0.05", stay_days_ge=60)  # of 40 discharges: 2 places
    region = write_pack(tmp_path / "p", pack(fund_share=[entry], review=[share]), weights)
    with priced(region, CASES, tmp_path / "a", scores=scores) as run:
        before = run.scored()
    with priced(region, CASES, tmp_path / "b", scores=scores, review=review_of(region, DECISIONS)) as run:
        after = run.scored()
        run.settled()
        assert outcomes(run) == {"item": "applied", "given": "applied", "no": "rejected"}
        rules = {row["rule_id"]: row for row in run.rows("rules_used")}
    amounts = {name: (after[name]["standard_fen"], after[name]["fund_fen"]) for name in ("item", "given")}
    assert amounts == {"item": (900_000, by_item), "given": (850_000, adjusted)}
    for name in ("item", "given"):
        row = after[name]
        assert row["price_class"] == "special_review" and row["apart_fen"] == row["standard_fen"]
        assert row["points"] == (0 if scores else None)  # nothing of it moves with the point value
        assert rules[row["rule_id"]]["family"] == row["family"]
    assert after["item"]["family"] == "special_by_item" and after["given"]["family"] == "special_adjusted"
    others = set(before) - {"item", "given"}
    assert {name: after[name] for name in others} == {name: before[name] for name in others}
    assert set(after) == set(before) and "held" not in after  # the held ones wait on


def test_a_held_case_is_priced_by_its_decision_and_waits_without(tmp_path: Path) -> None:
    region = write_pack(tmp_path / "p", rate_pack())
    decisions = [decided("held", "adjusted", 800_000), decided("waits", "rejected", rank=0)]
    with priced(region, CASES, tmp_path / "r", review=review_of(region, decisions)) as run:
        assert run.scored()["held"]["standard_fen"] == 800_000
        assert run.scored()["held"]["fund_fen"] == 800_000 - 360_000
        assert "waits" not in run.scored() and run.refused() == {"waits": "case_review"}
        paid = run.settled()[("H2", "310")]
        doors = {row["case_id"]: row["door"] for row in run.rows("case_payment")}
    assert doors["held"] == "paid" and doors["waits"] == "held" and paid["held_rows"] == 1


def test_separately_paid_items_stay_beside_a_decided_amount(tmp_path: Path) -> None:
    # F = 9000.00 − 1000.00 = 8000.00; half of the items beside: 500.00. Own part 9000.00 − 5400.00 = 3600.00.
    region = write_pack(tmp_path / "p", rate_pack(separate_items=[dated(share="0.5")]))
    cases = [replace(case, separate_items_fen=100_000) for case in CASES]
    decisions = [decided("item"), decided("held", rank=2)]
    with priced(region, cases, tmp_path / "r", review=review_of(region, decisions)) as run:
        for name in ("item", "held"):
            row = run.scored()[name]
            assert (row["standard_fen"], row["separate_fen"]) == (800_000, 50_000)
            assert row["fund_fen"] == 800_000 - 360_000 + 50_000
        run.settled()


def test_a_held_case_without_a_fee_cannot_be_shared_by_ratio(tmp_path: Path) -> None:
    region = write_pack(tmp_path / "p", rate_pack(fund_share=[dated(method="ratio", of="case")]))
    cases = [*CASES, Case("free", "CC", 0, 0)]
    with priced(region, cases, tmp_path / "r", review=review_of(region, [decided("free")])) as run:
        assert outcomes(run) == {"free": "case_not_found"} and run.refused()["free"] == "case_review"


def test_what_is_not_in_the_month_is_told_not_paid(tmp_path: Path) -> None:
    item = CASES[37]
    cases = [*CASES, item.reversed_by("turned"), Case("sick", door="refuse", code="unknown_sex")]
    region = write_pack(tmp_path / "p", rate_pack())
    decisions = [decided("item"), decided("sick", rank=2), decided("nobody", rank=3)]
    with priced(region, cases, tmp_path / "r", review=review_of(region, decisions)) as run:
        assert {row["case_id"]: (row["outcome"], row["why"]) for row in run.rows("review_outcome")} == {
            "item": ("case_not_found", "reversed"),
            "sick": ("case_not_found", "unknown_sex"),
            "nobody": ("case_not_found", "absent"),
        }
        assert run.scored()["item"]["price_class"] != "special_review"
        assert run.scored()["item"]["fund_fen"] + run.scored()["turned"]["fund_fen"] == 0
        run.settled()


# --- the quota


@pytest.mark.parametrize(("pack", "share", "quota"), [(rate_pack, "0.05", 6016), (score_pack, "0.005", 601)])
def test_quota_of_a_published_example(pack: Any, share: str, quota: int, tmp_path: Path) -> None:
    # Vector Q01: 120,333 discharges → 6,016 by DRG, 601 by DIP; all but 40 of them in earlier months.
    scores = SCORES if pack is score_pack else None
    region = write_pack(
        tmp_path / "p", pack(review=[dated(quota_share=share, stay_days_ge=60)]), {} if scores else WEIGHTS
    )
    first = region.pack.review[0].from_
    for used, outcome in ((quota - 1, "applied"), (quota, "refused_quota")):
        review = review_of(region, [decided("item")], [QuotaUse(2025, first, 120_293, used)])
        with priced(region, CASES, tmp_path / f"r{used}", scores=scores, review=review) as run:
            (row,) = run.rows("review_outcome")
            assert (row["discharges"], row["quota"], row["outcome"]) == (120_333, quota, outcome)


def test_approvals_above_the_quota_are_refused_by_rank_and_say_so(tmp_path: Path) -> None:
    # 40 priced discharges, one of them turned back: floor(39 × 0.05) = 1 place. Held cases are no discharges yet.
    region = write_pack(tmp_path / "p", rate_pack())
    cases = [*CASES, CASES[0].reversed_by("turned")]
    decisions = [
        decided("item", rank=7),
        decided("given", "adjusted", 1, rank=3),
        decided("no", "rejected", rank=1),
    ]
    with priced(region, cases, tmp_path / "r", review=review_of(region, decisions)) as run:
        assert outcomes(run) == {"given": "applied", "item": "refused_quota", "no": "rejected"}
        found = [row for row in run.late if row["code"] == "review_over_quota"]
        assert [row["case_id"] for row in found] == ["item"] and "第 2 例，限额 1 例" in found[0]["message"]
        assert run.scored()["item"]["standard_fen"] == 815_559
        run.settled()
        assert {row["code"] for row in run.rows("case_payment") if row["door"] == "paid"} == {None}


def test_cases_outside_the_scope_make_no_quota(tmp_path: Path) -> None:
    scope = dated(rules=[{"name": "异地", "place": ["country"], "treatment": "by_item"}])
    region = write_pack(tmp_path / "p", rate_pack(scope=[scope]))
    cases = [*CASES[20:], *(Case(f"far{number}", place="country") for number in range(40))]
    with priced(region, cases, tmp_path / "r", review=review_of(region, [decided("item")])) as run:
        (row,) = run.rows("review_outcome")
        assert (row["discharges"], row["quota"], row["outcome"]) == (20, 1, "applied")


def test_each_year_and_rule_has_its_own_quota(tmp_path: Path) -> None:
    # A December stay settled in January belongs to December's year; from July on 10 %.
    review = [
        dated(quota_share="0.05", stay_days_ge=60),
        dated(**{"from": "2025-07-01"}, quota_share="0.1", stay_days_ge=30),
    ]
    region = write_pack(tmp_path / "p", rate_pack(review=review))
    march, july = dt.date(2025, 3, 1), dt.date(2025, 7, 1)
    cases = [
        *(Case(f"spring{number}", discharge_date=march) for number in range(20)),
        *(Case(f"summer{number}", discharge_date=july) for number in range(19)),
    ]
    decisions = [
        *(decided(f"spring{number}", rank=10 + number) for number in range(2)),
        *(decided(f"summer{number}", rank=1 + number) for number in range(2)),
    ]  # fmt: skip
    with priced(region, cases, tmp_path / "r", review=review_of(region, decisions)) as run:
        quotas = {(row["review_from"], row["quota"]) for row in run.rows("review_outcome")}
        assert quotas == {(dt.date(2025, 1, 1), 1), (july, 1)}  # floor(20 × 0.05), floor(19 × 0.1)
        assert outcomes(run) == {
            "spring0": "applied", "spring1": "refused_quota", "summer0": "applied", "summer1": "refused_quota",
        }  # fmt: skip


def test_a_day_without_a_review_rule_has_no_quota(tmp_path: Path) -> None:
    late = [dated(**{"from": "2025-11-01"}, quota_share="0.05", stay_days_ge=60)]
    region = write_pack(tmp_path / "p", rate_pack(review=late))
    with priced(region, CASES, tmp_path / "r", review=review_of(region, [decided("item")])) as run:
        assert outcomes(run) == {"item": "refused_quota"}
        assert "没有 review 参数" in run.late[-1]["message"] or any(
            "没有 review" in row["message"] for row in run.late
        )


def test_published_months_count_towards_the_next(tmp_path: Path) -> None:
    region = write_pack(tmp_path / "p", rate_pack())
    cases = [*CASES, CASES[0].reversed_by("turned")]
    with priced(region, cases, tmp_path / "r", review=review_of(region, [decided("item")])):
        pass
    used = used_before(region.pack.review, [tmp_path / "r"])
    assert used == (QuotaUse(2025, dt.date(2025, 1, 1), 39, 1),)
    assert used_before(region.pack.review, []) == ()


# --- the twin: one loop


def twin(
    cases: Sequence[Case], decisions: Sequence[Decision], rules: Sequence[tuple[dt.date, Fraction]],
    before: Mapping[tuple[int, dt.date], tuple[int, int]],
) -> tuple[dict[str, str], dict[str, tuple[int, int]]]:  # fmt: skip
    """Outcome by case, and (S, fund) of the applied ones, by the difference method."""

    def rule_of(case: Case) -> tuple[dt.date, Fraction] | None:
        held = [rule for rule in rules if rule[0] <= case.discharge_date]
        return held[-1] if held else None

    turned = {case.reverses for case in cases if case.reverses}
    originals = {case.case_id: case for case in cases if not case.reverses}
    counted: Counter[tuple[int, dt.date]] = Counter()
    for case in originals.values():
        if case.drg != "CC" and case.case_id not in turned and (rule := rule_of(case)):
            counted[(case.discharge_date.year, rule[0])] += 1
    places: Counter[tuple[int, dt.date]] = Counter({key: used for key, (_, used) in before.items()})
    told: dict[str, str] = {}
    money: dict[str, tuple[int, int]] = {}
    for one in sorted(decisions, key=lambda one: (one.rank, one.decided_on, one.case_id)):
        case = originals.get(one.case_id)
        if case is None or one.case_id in turned:
            told[one.case_id] = "case_not_found"
            continue
        if one.decision == "rejected":
            told[one.case_id] = "rejected"
            continue
        rule = rule_of(case)
        key = (case.discharge_date.year, rule[0]) if rule else None
        quota = 0
        if key and rule:
            quota = int(rule[1] * (counted[key] + before.get(key, (0, 0))[0]))
            places[key] += 1
        if not key or places[key] > quota:
            told[one.case_id] = "refused_quota"
            continue
        told[one.case_id] = "applied"
        standard = case.total_fee_fen if one.standard_fen is None else one.standard_fen
        money[one.case_id] = (standard, standard - (case.total_fee_fen - case.pool_fund_fen))
    return told, money


@pytest.mark.parametrize("seed", range(6))
def test_engine_and_twin_agree(seed: int, tmp_path: Path) -> None:
    draw = random.Random(seed)
    days = [dt.date(2025, 2, 3), dt.date(2025, 6, 30), dt.date(2025, 7, 1), DAY]
    cases = []
    count = draw.randint(30, 90)
    for number in range(count):
        fee = draw.randint(100, 3_000_000)
        case = Case(
            f"c{number:02}", draw.choice(["AA", "BB", "CC", "AA", "BB"]), fee, draw.randint(0, fee),
            draw.choice(["H1", "H2", "H3"]), draw.choice(["310", "390"]), draw.choice(days), stay_days=draw.randint(1, 90),
        )  # fmt: skip
        cases.append(case)
        if case.drg != "CC" and draw.random() < 0.1:
            cases.append(case.reversed_by(f"r{number:02}"))
    draw.shuffle(cases)
    shares = [draw.choice(["0.05", "0.15", "0.3"]) for _ in range(2)]
    review = [
        dated(**{"from": "2025-03-01"}, quota_share=shares[0], stay_days_ge=60),
        dated(**{"from": "2025-07-01"}, quota_share=shares[1], fee_ge_yuan="10000"),
    ]
    region = write_pack(tmp_path / "p", rate_pack(review=review))
    asked = draw.sample(range(count + 3), 14)
    ranks = draw.sample(range(1, 40), 14)
    decisions = []
    for number, rank in zip(asked, ranks, strict=True):
        verdict = draw.choice(["by_item", "adjusted", "by_item", "rejected"])
        fen = draw.randint(1, 5_000_000) if verdict == "adjusted" else None
        decisions.append(decided(f"c{number:02}", verdict, fen, rank))
    rules = [(dt.date.fromisoformat(one["from"]), Fraction(one["quota_share"])) for one in review]
    before = {(2025, rules[1][0]): (draw.randint(0, 60), draw.randint(0, 3))}
    used = [QuotaUse(year, day, *numbers) for (year, day), numbers in before.items()]
    with priced(region, cases, tmp_path / "r", review=review_of(region, decisions, used)) as run:
        told, money = twin(cases, decisions, rules, before)
        assert outcomes(run) == told
        scored = run.scored()
        assert {name: (scored[name]["standard_fen"], scored[name]["fund_fen"]) for name in money} == money
        assert {name for name, row in scored.items() if row["price_class"] == "special_review"} == set(money)
        run.settled()


# --- where decisions are kept


def test_the_later_decision_of_a_case_counts_and_the_same_list_changes_nothing(tmp_path: Path) -> None:
    first = [decided("one"), decided("two", "adjusted", 5, 2)]
    with open_ledger(tmp_path, "somewhere", "0") as ledger:
        assert store(ledger, first, "f1", "李某")
        assert not store(ledger, first, "f1", "赵某")
        assert store(ledger, [decided("one", "rejected", None, 0)], "f2", "李某")
        assert load_decisions(ledger) == (decided("one", "rejected", None, 0), first[1])
        assert store(ledger, first, "f1", "李某")  # going back is a change
        assert load_decisions(ledger) == tuple(first)
        kept = ledger.rows(sa.select(tables.decision.c.imported_by))
        assert [row["imported_by"] for row in kept] == ["李某"] * 5
    with open_ledger(tmp_path, "elsewhere", "0") as ledger:
        assert load_decisions(ledger) == ()


def test_the_hash_of_decisions_knows_their_content_and_not_their_order(tmp_path: Path) -> None:
    one, two = decided("one"), decided("two", rank=2)
    assert decisions_sha([one, two]) == decisions_sha([two, one])
    for field, value in (("rank", 9), ("reviewer", "李某"), ("reason", "x"), ("decision", "rejected"), ("document", "d"),
                         ("standard_fen", 1), ("decided_on", DAY), ("case_id", "three")):  # fmt: skip
        assert decisions_sha([replace(one, **{field: value}), two]) != decisions_sha([one, two])
    region = write_pack(tmp_path / "p", rate_pack())
    assert review_of(region, []).sha256 == ""
    used = QuotaUse(2025, DAY, 1, 0)
    assert review_of(region, [one]).sha256 != review_of(region, [one], [used]).sha256
