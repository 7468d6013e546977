"""A clean month with one row for every finding there is, and rows that nobody should ever send.

Each row is a clean one of the invented month with a few cells changed; its case_id says what was done to it.
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from conftest import ROOT

Row = dict[str, Any]
DAY = dt.timedelta(days=1)
CLINICAL_HOSPITAL = "H44990400010"  # declares 国临版 in the demo region
GONE_HOSPITAL, UNRATED_HOSPITAL = "H44990900098", "H44990900099"
GROUP_WITHOUT_WEIGHT = "EV19"
LARGEST = {"hospital_id": "H44990100001", "pool_fund_fen": 2**63 - 1, "total_fee_fen": 2**63 - 1}
TEN_MB = "长" * 3_500_000  # 10.5 MB in UTF-8
# I10.x00x002 as nobody should write it: read all the same, each with the warning `code_form`.
SPELLINGS = {
    "blanks": " I10.x00x002 ",
    "full-width": "Ｉ１０．Ｘ００ｘ００２",
    "wrong case": "i10.X00X002",
}


def clean_rows(rows: pa.Table, spoilt: set[str]) -> list[Row]:
    """Originals without a finding and without a reversal, in input order."""
    found = [row for row in rows.to_pylist() if row["reverses"] is None and row["case_id"] not in spoilt]
    assert len(found) > 150
    return found


def region(target: Path) -> Path:
    """The demo region with one weight missing, a hospital that has left, and one whose level has no rate."""
    shutil.copytree(ROOT / "configs" / "regions" / "demo-rate", target)
    weights = (target / "weights-2025.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in weights if not line.startswith(f"{GROUP_WITHOUT_WEIGHT},")]
    assert len(kept) == len(weights) - 1
    (target / "weights-2025.csv").write_text("".join(kept), encoding="utf-8")
    with (target / "hospitals.csv").open("a", encoding="utf-8") as file:
        file.write(f"{GONE_HOSPITAL},已退出的医院,二级,甲等,449909,2020-01-01,2025-06-30\n")
        file.write(f"{UNRATED_HOSPITAL},无费率的医院,四级,甲等,449909,2020-01-01,\n")
    return target


# Finding → the cells that provoke it; a function sees the clean row. Codes: yb-2.0 tables and the scheme.
CHANGES: dict[str, Any] = {
    "missing_value": {"insurance_type": None},
    "oversized_text": {"department": TEN_MB},
    "bad_character": {"hospital_id": "H4499\x000100001"},
    "missing_principal": {"dx_codes": []},
    "unknown_principal": {"dx_codes": ["K99.900x999"]},
    "unknown_sex": {"sex": "9"},
    "impossible_age": {"age_years": 151},
    "newborn_without_days": {"age_years": 0, "age_days": None},
    "dates_reversed": lambda row: {"admission_date": row["discharge_date"] + DAY},
    "negative_money": {"ownpay_fee_fen": -1},
    "absurd_amount": {"total_fee_fen": 9_000_000_000_000_000_000},
    "too_many_codes": lambda row: {"dx_codes": row["dx_codes"][:1] + ["E78.200"] * 10_000},
    "unknown_hospital": {"hospital_id": "H00000000000"},
    "unknown_insurance_type": {"insurance_type": "999"},
    "no_terms": {"admission_date": dt.date(2024, 12, 28), "discharge_date": dt.date(2024, 12, 31)},
    # R05.x00 (cough) alone is EV19 in CHS-DRG 2.0.
    "no_weight": {"dx_codes": ["R05.x00"], "px_codes": [], "age_years": 60, "age_days": None},
    "no_rate": {"hospital_id": UNRATED_HOSPITAL},
    "other_period": {"settlement_date": dt.date(2025, 11, 1)},
    "hospital_not_in_force": {"hospital_id": GONE_HOSPITAL},
    "restricted_principal": {"dx_codes": ["RESTRICTED"]},
    "not_for_grouping_principal": {"dx_codes": ["ASIDE_DX"]},
    "not_for_grouping_procedure": {"px_codes": ["ASIDE_PX"]},
    "unknown_code": lambda row: {"dx_codes": [*row["dx_codes"], "Z99.999x999"]},
    "unknown_procedure": lambda row: {"px_codes": [*row["px_codes"], "99.9999x999"]},
    "mapped_code": {"hospital_id": CLINICAL_HOSPITAL, "dx_codes": ["CLINICAL"]},
    "code_form": {"dx_codes": ["i10.X00X002 "]},
    "empty_code": lambda row: {"dx_codes": [*row["dx_codes"], None, " "]},
    "sex_conflict": {"sex": "1", "dx_codes": ["D25.900"]},
    "secondary_duplicate": {"dx_codes": ["I10.x00x002", "E78.200", "E78.200"]},
    "identity_broken": lambda row: {"personal_paid_fen": row["personal_paid_fen"] + 1},
    "part_over_total": lambda row: {"drug_fee_fen": row["total_fee_fen"] + 1},
    "zero_day_stay": lambda row: {"admission_date": row["discharge_date"]},
    "settled_before_discharge": {"admission_date": dt.date(2025, 10, 20), "discharge_date": dt.date(2025, 10, 24),
                                 "settlement_date": dt.date(2025, 10, 23)},
    "unknown_discharge_way": {"discharge_way": "7"},
    "unknown_place": {"place": "moon"},
}  # fmt: skip

# Rows that nobody should send, beside the findings above: (cells, the door, its code or None).
HOSTILE: dict[str, tuple[Any, str, str | None]] = {
    "null byte in case_id": ({"case_id": "nul\x00case"}, "refused", "bad_character"),
    "null byte in a diagnosis": (
        lambda row: {"dx_codes": [*row["dx_codes"], "I10\x00.x00"]}, "paid", None,
    ),
    "null byte in the principal": ({"dx_codes": ["I10\x00.x00x002"]}, "refused", "unknown_principal"),
    "ten megabytes of person": ({"person_id": TEN_MB}, "refused", "oversized_text"),
    "ten megabytes of case": ({"case_id": TEN_MB}, "refused", "oversized_text"),
    "ten megabytes of code": (lambda row: {"dx_codes": [*row["dx_codes"], TEN_MB]}, "paid", None),
    "ten megabytes of principal": ({"dx_codes": [TEN_MB]}, "refused", "unknown_principal"),
    "ten thousand procedures": ({"px_codes": ["38.9300x001"] * 10_000}, "refused", "too_many_codes"),
    "full-width code": ({"dx_codes": [SPELLINGS["full-width"]]}, "paid", None),
    "smallest amount there is": ({"total_fee_fen": -(2**63)}, "refused", "negative_money"),
    # Two of the largest amounts at one hospital: their sum is wider than a cell.
    "largest amount there is": (LARGEST, "refused", "absurd_amount"),
    "largest amount once more": (LARGEST, "refused", "absurd_amount"),
    "formula for a hospital": ({"hospital_id": "=HYPERLINK(1)"}, "refused", "unknown_hospital"),
    "path for a hospital": ({"hospital_id": "../../../etc/x"}, "refused", "unknown_hospital"),
    "first day of the calendar": ({"admission_date": dt.date(1, 1, 1)}, "paid", None),
    "last day of the calendar": ({"discharge_date": dt.date(9999, 12, 31)}, "held", "other_period"),
    "no diagnoses at all": ({"dx_codes": None}, "refused", "missing_principal"),
    "no procedures at all": ({"px_codes": None}, "paid", None),
}  # fmt: skip


def make(rows: list[Row], codes: Mapping[str, str]) -> tuple[list[Row], dict[str, str]]:
    """(all rows of the hostile month, what was done → case_id). `codes` fills in codes of the tables by their trait."""
    source = iter(rows)
    made: list[Row] = []
    named: dict[str, str] = {}

    def add(name: str, changes: Any, of: Row | None = None) -> Row:
        row = dict(of or next(source))
        named[name] = row["case_id"] = f"case {name}"
        cells = dict(changes(row) if callable(changes) else changes)
        for column in ("dx_codes", "px_codes"):
            if cells.get(column):
                cells[column] = [codes.get(code, code) for code in cells[column]]
        named[name] = cells.get("case_id", row["case_id"])
        row |= cells
        made.append(row)
        return row

    for name, changes in CHANGES.items():
        add(name, changes)
    for name, (changes, _, _) in HOSTILE.items():
        add(name, changes)
    _reversals(add)
    first = add("duplicate_case_id", {})
    made.append(first | {"total_fee_fen": first["total_fee_fen"] + 1})
    made.append(dict(add("repeated_row", {})))
    return [*made, *source], named


def _reversals(add: Any) -> None:
    """A good one first; then each way in which one can fail."""
    original = add("reversed original", {})
    add("reversal", _turned(original), original)
    add("second_reversal", _turned(original) | {"settlement_date": dt.date(2025, 10, 31)}, original)
    refused = add("refused original", {"sex": "9"})
    add("reversal_of_refused", _turned(refused), refused)
    other = add("unlike original", {})
    add("reversal_unlike", _turned(other) | {"total_fee_fen": -other["total_fee_fen"] - 1}, other)
    lone = add("stranger", {})
    add("reversal_without_original", _turned(lone) | {"reverses": "nobody"}, lone)


def _turned(row: Row) -> Row:
    return {name: -value for name, value in row.items() if name.endswith("_fen") and value is not None} | {
        "reverses": row["case_id"]
    }
