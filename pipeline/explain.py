"""Explain one case in Chinese, step by step, from the tables of its run: no second run is needed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from groupers.codes import CodeTables, load_code_tables
from groupers.drg.rulebook import RuleBook, load_rulebook
from groupers.drg.tell import tell
from groupers.drg.trace import trace
from pipeline.errors import InputError, UsageMistake
from pipeline.query import engine, parquet_view, rows
from pipeline.words import DOOR_NAMES, FAMILY_NAMES, PAID_DOORS, yuan_text

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
        book, tables = _book_of(folder, grouped[0]), load_code_tables()
        lines += ["", "二、分组", *_grouping(book, tables, case)]
    elif case["reverses"]:
        lines += ["", "二、分组", f"冲销记录：不分组，按原记录 {case['reverses']} 的结果反号。"]
    if known["scored"]:
        lines += ["", "三、定价", *pricing(known["scored"][0])]
    return lines


def _rows(con: duckdb.DuckDBPyConnection, folder: Path, name: str, input_row: int) -> list[dict[str, Any]]:
    """Rows of one input row; row groups that cannot hold it are passed over by their statistics."""
    parquet_view(con, name, [folder / f"{name}.parquet"])
    return rows(con, f"SELECT * FROM {name} WHERE input_row = $input_row", input_row=input_row)


def _book_of(folder: Path, grouped: dict[str, Any]) -> RuleBook:
    with _readable(folder):
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        names = [scheme["name"] for scheme in manifest["schemes"]]
    books = [load_rulebook(name) for name in names]
    return next(book for book in books if grouped["drg"] in book.group_names)


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


def _grouping(book: RuleBook, tables: CodeTables, case: dict[str, Any]) -> list[str]:
    told = tell(trace(book, case), book, tables.diagnosis_names, tables.procedure_names)
    return [f"  {line}" for line in told]


def pricing(scored: dict[str, Any]) -> list[str]:
    """The price of one scored row, every step with its numbers."""
    if scored["price_class"] == "reversal":
        return [
            f"  冲销 {scored['reverses']}：支付标准 {yuan_text(scored['standard_fen'])} 元，"
            f"基金 {yuan_text(scored['fund_fen'])} 元，均为原记录的相反数"
        ]
    weight, rate, coefficient = (_plain(scored[name]) for name in ("weight", "rate", "coefficient"))
    base = "（基础病组，同城同价）" if scored["is_base"] else ""
    lines = [
        f"  参数：{scored['terms_id']}（按定价日期 {scored['pricing_date']} 选用）",
        f"  权重 {weight}，费率 {rate} 元／权重，系数 {coefficient}{base}",
    ]
    if scored["ratio_e4"] is not None:
        lines.append(
            f"  费用倍率 = 医疗费 {yuan_text(scored['total_fee_fen'])} ÷ 参照标准 {yuan_text(scored['reference_fen'])}"
            f" = {scored['ratio_e4'] // 10000}.{scored['ratio_e4'] % 10000:04d}，{_CLASS[scored['price_class']]}"
        )
    else:
        lines.append(f"  不计费用倍率：{_CLASS[scored['price_class']]}")
    lines.append(f"  支付标准（{FAMILY_NAMES[scored['rule']]}）= {_formula(scored, weight, rate, coefficient)}"
                 f" = {yuan_text(scored['standard_fen'])} 元")  # fmt: skip
    own = scored["total_fee_fen"] - scored["pool_fund_fen"]
    lines.append(
        f"  核定统筹基金（差额法）= 支付标准 {yuan_text(scored['standard_fen'])} −（医疗费 "
        f"{yuan_text(scored['total_fee_fen'])} − 统筹记账 {yuan_text(scored['pool_fund_fen'])} = {yuan_text(own)}）"
        f" = {yuan_text(scored['fund_fen'])} 元"
    )
    return lines


_CLASS = {
    "low": "低倍率", "high": "高倍率", "normal": "正常", "ungrouped": "未入组", "ambiguous": "歧义组",
    "special": "单列病组",
}  # fmt: skip


def _formula(scored: dict[str, Any], weight: str, rate: str, coefficient: str) -> str:
    """multiple × weight × rate × coefficient + share × fee, without the parts that are nothing or one."""
    multiple, share = scored["multiple_e4"], scored["fee_share_e4"]
    parts = []
    if multiple:
        product = f"{weight} × {rate} × {coefficient}"
        parts.append(product if multiple == 10_000 else f"{_e4(multiple)} × ({product})")
    if share:
        by = f" × {coefficient}" if scored["share_by_coefficient"] else ""
        fee = yuan_text(scored["total_fee_fen"])
        parts.append(fee + by if share == 10_000 else f"{_e4(share)} × {fee}{by}")
    return " + ".join(parts) or "0"


def _e4(number: int) -> str:
    sign = "−" if number < 0 else ""
    return f"{sign}{abs(number) // 10_000}.{abs(number) % 10_000:04d}".rstrip("0").rstrip(".")


def _plain(number: Any) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
