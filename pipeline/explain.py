"""Explain one case in Chinese, step by step, from the tables of its run: no second run is needed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from groupers.codes import CodeTables, load_code_tables
from pipeline.errors import InputError, UsageMistake
from pipeline.explain_price import pricing, review
from pipeline.query import engine, parquet_view, rows
from pipeline.words import DOOR_NAMES, PAID_DOORS, yuan_text

TABLES = ("case_payment", "validated", "grouped", "scored", "findings")


FIND_CASE = "SELECT * FROM case_payment WHERE case_id = $case_id ORDER BY door <> 'paid', input_row LIMIT 1"


def find_run(out: Path, case_id: str, run: str | None = None) -> tuple[Path, dict[str, Any]]:
    """The newest current run (or the named one) that paid a case, else that holds it.

    A month's input may hold other months too, and a row may stand twice: the row that was paid is the case.
    Raises UsageMistake where there is none.
    """
    folders = sorted(out.glob("*/*/*/manifest.json"), reverse=True)
    homes = [path.parent for path in folders if run is None or path.parent.name == run]
    if run is None:
        homes = [folder for folder in homes if _is_current(folder)]
    if not homes:
        wanted = f"批次 `{run}`" if run else "任何已完成的批次"
        raise UsageMistake(f"在 {out} 下找不到{wanted}；请先运行 `drgdip run`，或用 --out 指明位置")
    elsewhere: tuple[Path, dict[str, Any]] | None = None
    for folder in homes:
        with _readable(folder), engine(folder.parent) as con:
            parquet_view(con, "case_payment", [folder / "case_payment.parquet"])
            found = rows(con, FIND_CASE, case_id=case_id)
        if found and found[0]["door"] == "paid":
            return folder, found[0]
        if found and elsewhere is None:
            elsewhere = folder, found[0]
    if elsewhere:
        return elsewhere
    raise UsageMistake(
        f"没有这个病例：`{case_id}`，已查 {len(homes)} 个批次；请核对结算ID或用 --run 指明批次"
    )


def _is_current(folder: Path) -> bool:
    pointer = folder.parent / "current"
    return pointer.is_file() and pointer.read_text(encoding="utf-8").strip() == folder.name


@contextmanager
def _readable(folder: Path) -> Iterator[None]:
    """A run's files altered or lost since they were written are not the program's fault."""
    try:
        yield
    except (duckdb.Error, OSError, ValueError, KeyError) as error:
        raise InputError(
            f"已有成果读不出来：{folder}（{type(error).__name__}）；请移走该文件夹后重新运行 `drgdip run`"
        ) from error


def explain(folder: Path, payment: dict[str, Any]) -> list[str]:
    """Lines that tell one case of a run: what was read, how it was grouped, how it was priced."""
    with _readable(folder), engine(folder.parent) as con:
        known = {name: _rows(con, folder, name, payment["input_row"]) for name in TABLES}
        known["rules_used"] = _rules(con, folder, known["scored"])
        if (folder / "review_outcome.parquet").is_file():  # no decision, no file
            known["review_outcome"] = _rows(con, folder, "review_outcome", payment["input_row"])
    lines = [f"病例 {payment['case_id']}，批次 {folder.name}，结果：{PAID_DOORS[payment['door']]}"]
    lines += [
        f"  [{DOOR_NAMES[found['severity']]}] {found['message']}（{found['code']}）"
        for found in known["findings"]
    ]
    if not known["validated"]:
        return [*lines, "该记录未通过校验，不进入分组与结算。"]
    case = known["validated"][0]
    lines += ["", "一、读入", *_what_was_read(case)]
    grouped = known["grouped"]
    if grouped:
        lines += [
            "",
            "二、分组",
            *(f"  {line}" for line in _grouping(_scheme_of(folder, case), case, grouped[0])),
        ]
    elif case["reverses"]:
        lines += ["", "二、分组", f"冲销记录：不分组，按原记录 {case['reverses']} 的结果反号。"]
    if known["scored"]:
        lines += [
            "",
            "三、定价",
            *pricing(known["scored"][0], known["rules_used"], _weights_of(folder, known["scored"][0])),
        ]
    if known.get("review_outcome"):
        lines += ["", "四、特例单议", *review(known["review_outcome"][0])]
    return lines


def _rows(con: duckdb.DuckDBPyConnection, folder: Path, name: str, input_row: int) -> list[dict[str, Any]]:
    """Rows of one input row; row groups that cannot hold it are passed over by their statistics."""
    parquet_view(con, name, [folder / f"{name}.parquet"])
    return rows(con, f"SELECT * FROM {name} WHERE input_row = $input_row", input_row=input_row)


def _rules(
    con: duckdb.DuckDBPyConnection, folder: Path, scored: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The pricing rule that paid the case."""
    if not scored:
        return []
    parquet_view(con, "rules_used", [folder / "rules_used.parquet"])
    return rows(con, "SELECT * FROM rules_used WHERE rule_id = $rule_id", rule_id=scored[0]["rule_id"])


def _scheme_of(folder: Path, case: dict[str, Any]) -> dict[str, Any]:
    """The scheme that placed the case, as the run's manifest describes it: the last that held on its pricing date."""
    with _readable(folder):
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        day = str(case[manifest["pricing_by"]])
        held = [scheme for scheme in manifest["schemes"] if scheme["in_force_from"] <= day]
        return dict(held[-1])


def _weights_of(folder: Path, scored: dict[str, Any]) -> dict[str, str] | None:
    """The version of the weights that priced the case, as the manifest names it; None where there is none."""
    with _readable(folder):
        versions = json.loads((folder / "manifest.json").read_text(encoding="utf-8")).get("weights", [])
        day = str(scored["pricing_date"])
        held = [one for one in versions if one["in_force_from"] <= day]
        return dict(held[-1]) if held else None


def _what_was_read(case: dict[str, Any]) -> list[str]:
    age = f"{case['age_years']} 岁" + (f"（{case['age_days']} 天）" if case["age_days"] is not None else "")
    sex = {"1": "男", "2": "女"}.get(case["sex"], case["sex"])
    return [
        f"  医院 {case['hospital_id']}，险种 {case['insurance_type']}，{sex}，{age}",
        f"  入院 {case['admission_date']}，出院 {case['discharge_date']}，住院 {case['stay_days']} 天，"
        f"结算 {case['settlement_date']}，离院方式 {case['discharge_way'] or '未填'}",
        f"  诊断：{'、'.join(case['dx_codes']) or '（无）'}",
        f"  手术操作：{'、'.join(case['px_codes'] or []) or '（无）'}",
        f"  医疗费总额 {yuan_text(case['total_fee_fen'])} 元，统筹基金记账 {yuan_text(case['pool_fund_fen'])} 元",
    ]


def _grouping(scheme: dict[str, Any], case: dict[str, Any], grouped: dict[str, Any]) -> list[str]:
    return (_by_dip if scheme["kind"] == "dip" else _by_drg)(scheme, load_code_tables(), case, grouped)


# Each side imports what it needs only when it is asked: a start-up is most of what `explain` costs.
def _by_drg(
    scheme: dict[str, Any], tables: CodeTables, case: dict[str, Any], grouped: dict[str, Any]
) -> list[str]:
    from groupers.drg.rulebook import load_rulebook
    from groupers.drg.tell import tell
    from groupers.drg.trace import trace

    book = load_rulebook(scheme["name"])
    return tell(trace(book, case), book, tables.diagnosis_names, tables.procedure_names)


def _by_dip(
    scheme: dict[str, Any], tables: CodeTables, case: dict[str, Any], grouped: dict[str, Any]
) -> list[str]:
    from groupers.dip.tell import tell
    from groupers.dip.tell_auxiliary import tell_subtypes
    from pipeline.pack import SchemeEntry
    from pipeline.schemes import dip_catalogue

    catalogue = dip_catalogue(SchemeEntry.model_validate(scheme["entry"]))
    told = tell(catalogue, case, tables.diagnosis_names, tables.procedure_names)
    return told + tell_subtypes(catalogue.auxiliary, case | grouped)
