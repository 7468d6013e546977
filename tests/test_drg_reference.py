"""The slow twin against an independent grouper's results, and our tables against the published facts."""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from groupers.codes import load_code_tables
from groupers.drg.rulebook import RuleBook, load_rulebook
from tests.reference.group_case import group_case

SHARED = Path(__file__).resolve().parents[2] / "shared"
FACTS = SHARED / "facts"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="../shared is not in a user's clone")
pytestmark = [pytest.mark.shared, needs_shared]


@pytest.fixture(scope="module")
def book() -> RuleBook:
    return load_rulebook("chs-drg-2.0")


def rows(path: Path) -> list[dict[str, str]]:
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def facts(name: str) -> list[dict[str, str]]:
    return rows(FACTS / name)


def case_of(row: dict[str, str]) -> dict[str, Any]:
    """A row of the case files as a discharge: empty is null, codes are separated by `|`."""
    whole = {
        name: int(row[name]) if row[name] else None for name in ("age_years", "age_days", "birth_weight_g")
    }
    return {
        **whole,
        "sex": row["sex"] or None,
        "stay_days": int(row["los_days"]) if row["los_days"] else None,
        "discharge_way": row.get("discharge_way") or None,
        "dx_codes": row["dx_codes"].split("|"),
        "px_codes": row["px_codes"].split("|"),
    }


@pytest.mark.parametrize(("name", "count"), [("drg20_cases.csv.gz", 20_000), ("drg20_demo_30.csv", 30)])
def test_twin_agrees_with_the_independent_grouper_on_every_case(
    book: RuleBook, name: str, count: int
) -> None:
    # Source: the mdc, adrg and drg columns come from an independent running grouper (DESIGN §4).
    cases = rows(SHARED / "cases" / name)
    differences = []
    for row in cases:
        found = group_case(book, case_of(row))
        got = (found["mdc"] or "", found["adrg"] or "", found["drg"])
        if got != (row["mdc"], row["adrg"], row["drg"]):
            differences.append((row["case_id"], got, (row["mdc"], row["adrg"], row["drg"])))
    assert len(cases) == count
    assert differences == []


def test_counts_are_the_published_ones(book: RuleBook) -> None:
    # 26 MDC, 409 ADRG, 634 DRG: facts/README.md and the national plan.
    ruled = {rule.group for rule in book.rules if rule.kind == "adrg"}
    assert (len(book.mdcs), len(ruled), len(book.drgs)) == (26, 409, 634)
    assert (len(book.mdc_names), len(book.adrg_names)) == (26, 409)


def translated(condition: str) -> str:
    """A condition of the facts in our words."""
    condition = condition.replace("principal_proc in valid_procedures", "operation_px in px_valid")
    condition = re.sub(r"\bproc(\d+)", r"px\1", condition)
    condition = condition.replace("principal_proc", "main_px").replace("any_proc", "any_px")
    condition = condition.replace("trauma_regions", "hits trauma")
    condition = condition.replace("sex == male", "sex == 1").replace("sex == female", "sex == 2")
    return re.sub(r"\bage\b", "age_years", condition)


def test_rules_agree_with_the_facts(book: RuleBook) -> None:
    expected = [
        (
            int(row["seq"]),
            row["mdc"],
            row["kind"],
            "" if row["kind"] == "enter" else row["group"],
            row["variant"],
            translated(row["condition"]),
        )
        for row in facts("chs-drg-2.0/rules.csv")
    ]
    found = [(rule.seq, rule.mdc, rule.kind, rule.group, rule.variant, rule.text) for rule in book.rules]
    assert found == expected


def test_lists_agree_with_the_facts(book: RuleBook) -> None:
    expected: dict[str, set[str]] = defaultdict(set)
    for row in facts("chs-drg-2.0/code_lists.csv"):
        expected[row["list"].replace("proc", "px")].add(row["code"])
    expected["px_valid"] = {row["code"] for row in facts("chs-drg-2.0/valid_procedures.csv")}
    regions: dict[str, set[str]] = defaultdict(set)
    for row in facts("chs-drg-2.0/trauma_regions.csv"):
        regions[row["region"]].add(row["code"])
    family = book.families["trauma"]
    assert {book.list_names[name]: book.dx_lists[name] for name in family} == regions
    ours = {name: codes for name, codes in (book.dx_lists | book.px_lists).items() if name not in family}
    assert ours == expected
    assert not book.dx_lists.keys() & book.px_lists.keys()


def test_severity_exclusions_and_groups_agree_with_the_facts(book: RuleBook) -> None:
    severity = {
        row["code"]: (kind, row["exclusion_table"])
        for kind in ("cc", "mcc")
        for row in facts(f"chs-drg-2.0/{kind}.csv")
    }
    assert len(severity) == 4_477 + 8_009  # facts/README.md; equal to the sum, so MCC and CC are disjoint
    assert book.severity == severity
    exclusions = facts("chs-drg-2.0/exclusion.csv")
    assert book.exclusions == {row["principal_dx"]: row["exclusion_table"] for row in exclusions}
    assert [(drg.drg, drg.adrg, drg.needs, drg.name) for drg in book.drgs] == [
        (row["drg"], row["adrg"], row["severity"], row["name"]) for row in facts("chs-drg-2.0/drg.csv")
    ]
    assert book.adrg_names == {row["adrg"]: row["name"] for row in facts("chs-drg-2.0/adrg.csv")}
    assert book.mdc_names == {row["mdc"]: row["name"] for row in facts("chs-drg-2.0/mdc.csv")}


def test_codes_not_for_grouping_agree_with_the_facts(book: RuleBook) -> None:
    dx, px = (
        {row["code"]: row["name"] for row in facts(f"chs-drg-2.0/chs20_{name}.csv")}
        for name in ("dx_not_for_grouping_1837", "px_not_for_grouping_1829")
    )
    assert (book.dx_not_for_grouping, book.px_not_for_grouping) == (dx, px)


def test_code_tables_agree_with_the_facts() -> None:
    tables = load_code_tables("yb-2.0")
    dx, px = facts("icd/diagnosis.csv"), facts("icd/procedure.csv")
    assert tables.diagnosis_names == {row["code"]: row["name"] for row in dx}
    assert tables.procedure_names == {row["code"]: row["name"] for row in px}
    assert tables.procedure_classes == {row["code"]: row["class"] for row in px}
    assert tables.restricted_dx == {row["code"] for row in dx if row["restricted"] == "1"}
    assert tables.restricted_px == {row["code"] for row in px if row["restricted"] == "1"}
    clinical_dx, clinical_px = (
        {row["clinical"]: row["insurance"] for row in facts(f"icd/{name}_clinical_to_insurance.csv")}
        for name in ("diagnosis", "procedure")
    )
    assert (tables.clinical_dx, tables.clinical_px) == (clinical_dx, clinical_px)
