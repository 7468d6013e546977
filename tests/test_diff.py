"""`diff`: every changed case has one main reason, and the reasons add up to the difference, told by hand and by a twin."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastexcel
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import ROOT, Finished, in_process

from pipeline import diff as diff_module
from pipeline.diff import CLASSES, MACROS, TABLES, compare
from pipeline.diff_words import REASONS, made_from_words
from pipeline.query import engine, keep, statement
from pipeline.tables import DISCHARGES
from pipeline.validate import VALIDATED_SCHEMA
from tests.diff_fixtures import FUND, STANDARD, Office, core, month
from tests.region_pack_slips_dip import both, put

BY_LEVEL = "by_level: {一级: 0.8, 二级: 0.9, 三级: 1.1}"


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    folder = tmp_path_factory.mktemp("diff")
    (folder / "pack").mkdir()
    return Office(folder)


@pytest.fixture(scope="module")
def base(office: Office) -> str:
    office.set_up()
    return office.run(month())


def reasons(found: dict[str, Any]) -> dict[str, tuple[int, int, int]]:
    """reason → changed cases, standard and fund."""
    return {row["reason"]: (row["changed"], row["standard_fen"], row["fund_fen"]) for row in found["reasons"]}


def test_same_run_twice_differs_in_nothing(office: Office, base: str) -> None:
    found = office.diff(base, base)
    assert (found["changed"], found["reasons"], found["hospitals"], found["groups"]) == (0, [], [], [])
    assert found["totals"]["fund_fen"] == {"before": 289024, "after": 289024, "difference": 0}  # Σ FUND
    assert sum(FUND.values()) == 289024 and found["totals"]["standard_fen"]["before"] == sum(
        STANDARD.values()
    )
    said = in_process("diff", office.pack, base, base, "--out", office.out)
    assert "来源：完全相同" in said.out and "没有一例的结果不同" in said.out


def test_a_changed_fee_is_told_as_data(office: Office, base: str, tmp_path: Path) -> None:
    """A costs 1100: S stays 781.87, the fund pays 781.872 − (1100 − 700) = 381.87; H1 is owed 95 % less 5 % of it."""
    office.set_up()
    after = office.run(month(A={"total_fee_fen": 1100_00}))
    found = office.diff(base, after, "--to", tmp_path / "d.xlsx")
    assert reasons(found) == {"data": (1, 0, -100_00)}
    assert found["made_from"]["inputs"] == {"added": [], "removed": [], "altered": ["in.parquet"]}
    assert found["made_from"]["pack"] is None and found["same_period"]
    (hospital,) = found["hospitals"]
    assert (hospital["hospital_id"], hospital["insurance_type"], hospital["main_reason"]) == (
        "H1",
        "310",
        "data",
    )
    # Before: A + D = 481.87 + 464.78 = 946.65; prepaid 899.3175 → 899.32, deposit 44.965875 → 44.97, due 854.35.
    # After: 846.65; prepaid 804.3175 → 804.32, deposit 40.215875 → 40.22, due 764.10.
    assert (hospital["fund_before_fen"], hospital["fund_after_fen"]) == (946_65, 846_65)
    assert (hospital["due_before_fen"], hospital["due_after_fen"], hospital["due_fen"]) == (
        854_35,
        764_10,
        -90_25,
    )
    (group,) = found["groups"]
    assert (group["group_code"], group["group_name"], group["cases"], group["fund_fen"]) == (
        "C1",
        "肺结核",
        0,
        -100_00,
    )
    (line,) = listed(tmp_path / "d.xlsx")
    assert line[:5] == ["A", "H1", "310", "数据改变", "数据：医疗费总额、个人负担总金额"]


def listed(path: Path) -> list[list[str]]:
    """The rows of the sheet 病例 below its banner and two header rows, its sum left out."""
    sheet = fastexcel.read_excel(path).load_sheet("病例", header_row=None, dtypes="string").to_polars()
    rows = [list(row) for row in sheet.rows()]
    start = next(place for place, row in enumerate(rows) if row[0] == "结算ID") + 1
    return [row for row in rows[start:] if row[1] is not None]


def test_a_changed_score_is_told_as_weight(office: Office, base: str) -> None:
    """C1 at 95.08: A 798.672 (+16.80), B 1045.88 (+22.00), C 1098.174 (+23.10), E 760.64 (+16.00); D is C2."""
    office.set_up(tables=core(C1="95.08"))
    found = office.diff(base, office.run(month()))
    assert reasons(found) == {"weight": (4, 77_90, 77_90)}
    assert found["made_from"]["schemes"]["before"][0][1] != found["made_from"]["schemes"]["after"][0][1]
    assert [row["fund_fen"] for row in found["hospitals"]] == [23_10, 22_00, 16_80, 16_00]
    assert found["totals"]["weight"]["difference"] == "8"  # 4 cases × 2 points


def test_a_hospitals_coefficient_is_told_as_such(office: Office, base: str) -> None:
    """H3 at 1.2: B 93.08 × 1.2 × 10 = 1116.96 (+93.08), C 93.08 × 1.2 × 10.5 = 1172.808 → 1172.81 (+97.74)."""
    office.set_up(put(BY_LEVEL, f"{BY_LEVEL}, by_hospital: {{H3: 1.2}}"))
    found = office.diff(base, office.run(month()))
    assert reasons(found) == {"coefficient": (2, 190_82, 190_82)}
    assert {row["hospital_id"] for row in found["hospitals"]} == {"H3"}
    assert found["made_from"]["pack"] is not None and found["made_from"]["schemes"] is None


def test_a_refused_case_left_by_another_door(office: Office, base: str, tmp_path: Path) -> None:
    office.set_up()
    found = office.diff(base, office.run(month(A={"sex": "9"})), "--to", tmp_path / "d.xlsx")
    assert reasons(found) == {"door": (1, -STANDARD["A"], -FUND["A"])}
    assert found["totals"]["cases"] == {"before": 5, "after": 4, "difference": -1}
    (line,) = listed(tmp_path / "d.xlsx")
    assert line[5] == "本期结算" and line[6].startswith("退回：") and line[7:9] == ["C1", None]


def test_another_period_has_other_cases_and_says_so(office: Office, base: str) -> None:
    """November holds A from its own day; B to E come no more; F, like A, arrives."""
    import datetime as dt

    office.set_up()
    november = {"discharge_date": dt.date(2025, 11, 10), "settlement_date": dt.date(2025, 11, 10)}
    rows = [row for row in month(A=november, F=november) if row["case_id"] in "AF"]
    after = office.run(rows, "2025-11")
    found = office.diff(base, after)
    assert not found["same_period"]
    gone = [sum(of[case] for case in "BCDE") for of in (STANDARD, FUND)]
    assert reasons(found) == {
        "gone": (4, -gone[0], -gone[1]),
        "arrived": (1, STANDARD["A"], FUND["A"]),
    }  # A itself is paid the same: its stay is longer by a month, its price is not
    said = in_process("diff", office.pack, base, after, "--out", office.out)
    assert "不是同一结算期" in said.out


# --- everything at once, judged by a slow twin


def twin(before: Path, after: Path) -> dict[tuple[str, ...], list[int]]:
    """Σ case count, standard and fund of `scored` after − before, by hospital and type, by group and in all."""
    sums: dict[tuple[str, ...], list[int]] = defaultdict(lambda: [0, 0, 0])
    for sign, folder in ((-1, before), (1, after)):
        for row in pq.read_table(folder / "scored.parquet").to_pylist():
            for key in (
                ("all",),
                ("hospital", row["hospital_id"], row["insurance_type"]),
                ("group", row["group_code"]),
            ):
                for place, name in enumerate(("case_count", "standard_fen", "fund_fen")):
                    sums[key][place] += sign * row[name]
    return dict(sums)


@pytest.fixture(scope="module")
def mixed(office: Office, base: str) -> str:
    """A moves to H3, B is gone, C's hospital has another coefficient, D goes to another disease, E another value, F new."""
    office.set_up(
        both(put(BY_LEVEL, f"{BY_LEVEL}, by_hospital: {{H3: 1.2}}"), put('"390": 10}', '"390": 10.2}')),
        {"core.csv": [
            ("C1", "A15.0", "", "", "保守治疗", "93.08", "9308.50", "", "肺结核"),
            ("C7", "A15.0", "33.2403", "", "诊断性操作", "90", "", "基层病种", "灌洗"),
            ("C3", "A15.1", "", "", "保守治疗", "", "", "", "肺结核，培养"),
        ], "coefficients.csv": []},
    )  # fmt: skip
    return office.run(month(A={"hospital_id": "H3"}, B=None, F={"hospital_id": "H3"}))


def test_everything_at_once_adds_up_as_the_twin_says(office: Office, base: str, mixed: str) -> None:
    found = office.diff(base, mixed)
    wanted = twin(office.home / "2025-10" / base, office.home / "2025-10" / mixed)
    columns = ("cases", "standard_fen", "fund_fen")
    assert [sum(row[name] for row in found["reasons"]) for name in columns] == wanted["all",]
    for row in found["hospitals"]:
        key = ("hospital", row["hospital_id"], row["insurance_type"])
        assert [row[name] for name in columns] == wanted.pop(key)
    for row in found["groups"]:
        assert [row[name] for name in columns] == wanted.pop(("group", row["group_code"]))
    assert wanted.pop(("all",)) and not any(any(rest) for rest in wanted.values())
    # One reason each: A's hospital is data though its coefficient changed too; D's group goes before its score.
    # B −723.88. C 1172.81 (+97.74). D 90 × 0.85 × 10.5 = 803.25 (+38.47). E 93.08 × 0.8 × 10.2 = 759.5328 (+14.89).
    # A 93.08 × 1.2 × 10.5 = 1172.81 (+390.94); F the same: fund 1172.808 − 300 = 872.81.
    assert reasons(found) == {
        "gone": (1, -STANDARD["B"], -FUND["B"]), "coefficient": (1, 97_74, 97_74), "scheme": (1, 38_47, 38_47),
        "rate": (1, 14_89, 14_89), "data": (1, 390_94, 390_94), "arrived": (1, 1172_81, 872_81),
    }  # fmt: skip


def test_the_way_back_is_the_negative(office: Office, base: str, mixed: str) -> None:
    there, back = (reasons(office.diff(*runs)) for runs in ((base, mixed), (mixed, base)))
    other = {"gone": "arrived", "arrived": "gone"}
    assert back == {
        other.get(reason, reason): (count, -standard, -fund)
        for reason, (count, standard, fund) in there.items()
    }


def test_workbook_names_the_rest_and_the_csv_has_all(
    office: Office, base: str, mixed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sheet of at most two cases, so that six are many: the two with most fund first, all six in the CSV."""
    monkeypatch.setattr("pipeline.diff_files.LISTED", 2)
    found = office.diff(base, mixed, "--to", tmp_path / "d.xlsx")
    assert found["files"] == [str(tmp_path / "d.xlsx"), str(tmp_path / "d.cases.csv")]
    assert fastexcel.read_excel(tmp_path / "d.xlsx").sheet_names == ["概要", "医院", "病种", "病例"]
    assert [row[0] for row in listed(tmp_path / "d.xlsx")] == ["F", "B"]  # 872.81, 723.88
    last = fastexcel.read_excel(tmp_path / "d.xlsx").load_sheet("病例", header_row=None, dtypes="string")
    assert "共 6 例" in last.to_polars().row(-1)[0] and "d.cases.csv" in last.to_polars().row(-1)[0]
    with (tmp_path / "d.cases.csv").open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["结算ID"] for line in lines] == ["F", "B", "A", "C", "D", "E"]
    assert (
        sum(Decimal(line["核定统筹基金（差）"]) for line in lines)
        == Decimal(found["totals"]["fund_fen"]["difference"]) / 100
    )
    assert lines[4]["哪里不同"] == "病种 C2 → C7；分值 85.69 → 90"
    first = (tmp_path / "d.xlsx").read_bytes()
    office.diff(base, mixed, "--to", tmp_path / "d.xlsx")
    assert (tmp_path / "d.xlsx").read_bytes() == first  # same inputs, same bytes


def test_a_run_by_a_drg_scheme_has_its_words(finished: Finished, tmp_path: Path) -> None:
    run = finished.folder.name
    said = in_process("diff", "demo-rate", run, run, "--out", finished.out, "--to", tmp_path / "d.xlsx")
    assert said.code == 0, said.err
    book = fastexcel.read_excel(tmp_path / "d.xlsx")
    assert book.sheet_names == ["概要", "医院", "病组", "病例"] and listed(tmp_path / "d.xlsx") == []


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("soffice") is None, reason="needs LibreOffice")
def test_libreoffice_reads_the_same_sums(office: Office, base: str, mixed: str, tmp_path: Path) -> None:
    found = office.diff(base, mixed, "--to", tmp_path / "d.xlsx")
    filters = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,-1"
    subprocess.run(
        ["soffice", "--headless", f"-env:UserInstallation=file://{tmp_path}/profile", "--convert-to", filters,
         "--outdir", tmp_path, tmp_path / "d.xlsx"], check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    for name in ("医院", "病种", "病例"):
        with (tmp_path / f"d-{name}.csv").open(encoding="utf-8", newline="") as file:
            total = next(row for row in csv.reader(file) if row[0].startswith("合计"))
        numbers = {cell.replace(",", "") for cell in total}
        assert f"{Decimal(found['totals']['fund_fen']['difference']) / 100:.2f}" in numbers


# --- the reasons themselves, one by one


PRICED: dict[str, Any] = {
    "input_row": 1, "case_id": "X", "hospital_id": "H1", "insurance_type": "310", "door": "paid", "code": None,
    "reverses": None, "case_count": 1, "total_fee_fen": 1000, "pool_fund_fen": 700, "group_code": "AA",
    "status": "grouped", "level": "一级", "weight": Decimal(1), "rate": Decimal(10), "point_scale": 100,
    "point_value": Decimal(1), "reference_price": Decimal(1), "coefficient": Decimal(1), "auxiliary": Decimal(1),
    "subtype": None, "is_base": False, "price_class": "normal", "rule_id": "r", "family": "normal",
    "reference_fen": 900, "points": Decimal(1), "standard_fen": 1000, "separate_fen": 0, "share_fund_fen": 7,
    "share_fee_fen": 10, "fund_fen": 600,
}  # fmt: skip
HELD = dict.fromkeys(PRICED) | {"input_row": 1, "case_id": "X", "door": "held", "code": "case_review"}
DEARER = {"standard_fen": 1100, "fund_fen": 700}
# reason → what the second run says otherwise; what a later reason looks at moves with it, so that the order counts.
OTHERWISE: dict[str, dict[str, Any]] = {
    "decision": {"price_class": "special_review", "group_code": "BB", **DEARER},
    "scheme": {"group_code": "BB", "weight": Decimal(2), **DEARER},
    "weight": {"weight": Decimal(2), "rate": Decimal(11), **DEARER},
    "rate": {"reference_price": Decimal(2), "coefficient": Decimal(2), **DEARER},
    "coefficient": {"auxiliary": Decimal(2), "price_class": "high", **DEARER},
    "rule": {"rule_id": "r2", "share_fund_fen": 8, **DEARER},
    "fund": {"share_fund_fen": 8, "fund_fen": 650},
    "other": DEARER,
}


def reason_of(tmp_path: Path, before: dict[str, Any], after: dict[str, Any], **tables: pa.Table) -> str:
    """The reason that `changed` gives to one case."""
    kinds = {"weight": "DECIMAL(18, 9)", "points": "DECIMAL(18, 6)"}
    rows = pl.DataFrame(
        [{"side": "before", **before}, {"side": "after", **after}], infer_schema_length=None
    ).to_arrow()
    empty = {
        "data_differs": pa.table({"case_id": pa.array([], pa.string())}),
        "rules": pl.DataFrame(
            [{"side": side, "rule_id": rule, "formula": {"fee_e4": fee, "of_item": False}, "funding": {"fund_of": "case"}}
             for side in ("before", "after") for rule, fee in (("r", 0), ("r2", 1))]
        ).to_arrow(),
    } | tables  # fmt: skip
    with engine(tmp_path) as con:
        con.register("given", rows)
        casts = ", ".join(f"{name}::{kind} AS {name}" for name, kind in kinds.items())
        con.execute(f"CREATE TABLE sides AS SELECT * REPLACE ({casts}) FROM given")
        for name, table in empty.items():
            con.register(name, table)
        keep(con, "diff/moved")
        keep(con, "diff/changed")
        return str(con.sql("SELECT reason FROM changed").fetchall()[0][0])


@pytest.mark.parametrize("reason", OTHERWISE)
def test_the_first_reason_that_holds_counts(reason: str, tmp_path: Path) -> None:
    assert reason_of(tmp_path, PRICED, PRICED | OTHERWISE[reason]) == reason


def test_data_go_before_every_price_and_a_reversal_has_its_originals_data(tmp_path: Path) -> None:
    after = PRICED | OTHERWISE["scheme"]
    mine = pa.table({"case_id": ["X"]})
    assert reason_of(tmp_path, PRICED, after, data_differs=mine) == "data"
    original = pa.table({"case_id": ["O"]})
    assert (
        reason_of(tmp_path, PRICED | {"reverses": "O"}, after | {"reverses": "O"}, data_differs=original)
        == "data"
    )
    assert reason_of(tmp_path, PRICED, after, data_differs=original) == "scheme"


def test_a_case_held_for_review_and_then_decided_is_a_decision(tmp_path: Path) -> None:
    decided = PRICED | {"price_class": "special_review"}
    assert reason_of(tmp_path, HELD, decided) == "decision"
    assert reason_of(tmp_path, HELD, PRICED) == "door"  # no longer under review by the pack


def test_every_reason_is_named_and_reached() -> None:
    told = set(OTHERWISE) | {"arrived", "gone", "door", "data"}
    assert told == set(REASONS)
    assert all(f"'{reason}'" in statement("diff/changed") for reason in REASONS)


def test_every_column_of_the_data_is_told_by_its_name() -> None:
    """`data_columns` writes the columns out: one that joins the contract must join it."""
    text = statement("diff/data_columns")
    named = {name for name in VALIDATED_SCHEMA.names if f"b.{name} IS DISTINCT FROM a.{name}" in text}
    assert named == set(VALIDATED_SCHEMA.names) - {"input_row", "case_id"}
    assert {column.name for column in DISCHARGES} - {"case_id"} <= named


def test_a_sum_that_does_not_tie_is_an_audit_broken(office: Office, base: str, tmp_path: Path) -> None:
    """One fen off in a table that the manifest and the ledger vouch for: the program itself would be wrong."""
    with engine(tmp_path) as con:
        con.execute(MACROS)
        for name in TABLES:
            for side, more in (("before", 0), ("after", 1)):
                path = office.home / "2025-10" / base / f"{name}.parquet"
                change = f"REPLACE (fund_fen + {more} AS fund_fen)" if name == "hospital_payment" else ""
                con.execute(f"CREATE VIEW {name}_{side} AS SELECT * {change} FROM read_parquet('{path}')")
            con.execute(f"CREATE VIEW {name} AS SELECT 'before' AS side, * FROM {name}_before "
                        f"UNION ALL SELECT 'after', * FROM {name}_after")  # fmt: skip
        con.register("manifest_difference", pa.table({"cases": [0], "standard_fen": [0], "fund_fen": [0]}))
        con.register("group_names", pa.table({"group_code": ["C1"], "name": ["肺结核"]}))
        compare(con)
        broken = con.sql(statement("diff/gaps")).fetchall()
    # Four rows of hospital_payment, a fen each, and their sum, which the manifest does not have.
    assert [row[1:] for row in broken if row[0].startswith("H")] == [(1, 0)] * 4
    assert [row for row in broken if row[0].startswith("全区")] == [("全区（按医院） 核定统筹基金", 0, 4)]


# --- what cannot be compared


def test_mistakes_are_one_sentence(office: Office, base: str, tmp_path: Path) -> None:
    for words, code, told in (
        (("ffffffffffff", base), 2, "账本里没有这个批次"),
        ((base, ""), 2, "批次 ``"),
        ((base, base, "--to", tmp_path / "d.csv"), 2, "应以 .xlsx 结尾"),
    ):
        said = in_process("diff", office.pack, *words, "--out", office.out)
        assert said.code == code and told in said.err and said.err.count("\n") == 1, said
    assert not list(tmp_path.iterdir())


def test_an_altered_run_is_not_compared(office: Office, base: str) -> None:
    office.set_up()
    run = office.run(month(E=None))
    path = office.home / "2025-10" / run / "scored.parquet"
    path.write_bytes(path.read_bytes() + b"x")
    said = in_process("diff", office.pack, base, run, "--out", office.out)
    assert said.code == 11 and str(path) in said.err and "被改动" in said.err
    shutil.rmtree(path.parent)
    said = in_process("diff", office.pack, base, run, "--out", office.out)
    assert said.code == 11 and "不见了" in said.err


def test_a_run_of_an_older_program_without_a_column_is_one_sentence(
    office: Office, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.set_up()
    run = office.run(month(D=None))
    path = office.home / "2025-10" / run / "scored.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["share_fee_fen"]), path)
    monkeypatch.setattr(  # the hash of the file that was replaced is not asked for
        diff_module, "_proved", lambda folder, row: json.loads((folder / "manifest.json").read_text("utf-8"))
    )
    said = in_process("diff", office.pack, run, run, "--out", office.out)
    assert said.code == 11 and "较早的程序" in said.err and said.err.count("\n") == 1


def test_the_page_tells_every_reason_in_its_order() -> None:
    page = (ROOT / "docs" / "files.md").read_text(encoding="utf-8").split("## 比较两个批次")[1]
    places = [page.index(f"| {title} |") for title in REASONS.values()]
    assert places == sorted(places)


def test_what_runs_were_made_from_is_told_in_words() -> None:
    said = made_from_words({
        "inputs": {"added": ["b"], "removed": [], "altered": ["a"]},
        "pack": {"before": ["1", "a" * 64], "after": ["2", "b" * 64]}, "schemes": None,
        "weights": {"before": ["w.csv（2025-01-01 起）"], "after": ["w.csv（2025-01-01 起）", "x.csv（2025-07-01 起）"]},
        "code": {"before": "0.1", "after": "0.2"}, "standing": {"same": False, "months": ["2025-09"]}, "other": [],
    })  # fmt: skip
    assert said == [
        "输入文件多 1 个（b）", "输入文件改 1 个（a）", f"地区参数 1（{'a' * 12}）→ 2（{'b' * 12}）",
        "权重 w.csv（2025-01-01 起） → w.csv（2025-01-01 起）、x.csv（2025-07-01 起）", "程序 0.1 → 0.2",
        "以往月份的发布不同（2025-09）",
    ]  # fmt: skip
    assert CLASSES["special_review"] == "特例单议" and json.dumps(REASONS)
