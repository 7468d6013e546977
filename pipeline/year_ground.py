"""What each step of a year fixes, thing by thing: the plan, the data, the assessments, as they stand now.

Every function yields name → value as texts for the ledger (`year_fixed`); a value that is another later is a change.
Source: DESIGN §7 Year; docs/clearing.md.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.alliance import alliance_entry, months_of, overspend_share
from pipeline.clear import clearing_on
from pipeline.clear_ground import budgets_of_year, months_of_year
from pipeline.decisions import decided_since, decisions_sha, load_decisions
from pipeline.entries import Dated
from pipeline.errors import ConfigurationError, UsageMistake
from pipeline.ledger import Ledger
from pipeline.region import Region, amounts_of_year
from pipeline.standing import Amount, Published, open_of_year, results, run_folder, runs
from pipeline.words import yuan_text
from pipeline.yardstick import period_days

ADDED = {"one": "没有考核，按 1 计"}
SHOWN = 8  # names in a sentence
E4 = 10_000


def plan_of(region: Region, year: str) -> dict[str, str]:
    """方案: the clearing entry in force, the budgets, the alliances' packages and members. Raises ConfigurationError."""
    entry = clearing_on(region, int(year))
    fixed = _keys("clearing", entry)
    for budget in budgets_of_year(region, entry, int(year)):
        pool = "/".join(filter(None, budget.pool))
        fixed[f"预算 {pool}"] = f"第 {budget.version} 版 {yuan_text(budget.fund_fen)} 元"
    members: dict[str, list[str]] = {}
    for row in months_of(region, int(year)).to_pylist():
        name = f"医共体成员 {row['alliance_id']} {row['hospital_id']} {row['role']}"
        members.setdefault(name, []).append(row["period"])
    if members:
        terms = alliance_entry(region, period_days(f"{year}-12")[1])
        fixed |= _keys("alliance", terms) if terms else {}
        fixed |= {
            name: f"{months[0]} 至 {months[-1]} 共 {len(months)} 个月" for name, months in members.items()
        }
    for package in region.alliance_tables.packages:
        if package.year == int(year):
            fixed[f"医共体打包 {package.alliance_id} {package.insurance_type}"] = _told(asdict(package))
    return fixed


def data_of(ledger: Ledger, region: Region, year: str, out: Path) -> dict[str, str]:
    """数据: which version of each month, what they leave open, the amounts and the decisions that they took in.

    Raises UsageMistake where months are missing or one of them does not know a decision about a case that it paid.
    """
    months = months_of_year(ledger, year)
    fixed = {one.period: f"第 {one.version} 版 批次 {one.run_id}" for one in months}
    carried, adjustments, _ = open_of_year(ledger, year)
    fixed["结转"], fixed["未付补差"] = _sum(carried), _sum(adjustments)
    amounts = [asdict(one) for one in amounts_of_year(region, year)]
    others = [asdict(one) for one in region.alliance_tables.amounts if one.month.startswith(f"{year}-")]
    fixed["期间金额"], fixed["医共体期间金额"] = _counted(amounts), _counted(others)
    fixed["单议决定"] = _decisions(ledger, region, months, out)
    return fixed


def assessment_of(ledger: Ledger, region: Region, year: str) -> dict[str, str]:
    """考核: coefficient and deposit share of every hospital and insurance type of the year, and of the alliances.

    Raises ConfigurationError where one is missing that the plan does not count as 1.
    """
    without = clearing_on(region, int(year)).without_assessment
    held = {(one.hospital_id, one.insurance_type): one for one in region.assessments if one.year == int(year)}
    fixed, bare = {}, []
    for hospital_id, insurance_type in sorted(_hospitals(ledger, region, year)):
        found = held.get((hospital_id, insurance_type)) or held.get((hospital_id, None))
        if found is not None:
            value = f"系数 {_share(found.coefficient_e4)}，保证金返还 {_share(found.deposit_return_e4)}，{found.source}"
        else:
            value = ADDED.get(without, "")
            bare += [] if value else [hospital_id]
        fixed[f"{hospital_id} {insurance_type}"] = value
    if bare:
        raise ConfigurationError(
            f"{year} 年没有考核结果的医院：{_named(dict.fromkeys(bare))}；请在 {region.folder / 'assessments.csv'} 补上，"
            "或在 clearing 写 without_assessment: one（按 1 计）"
        )
    present = {row["alliance_id"] for row in months_of(region, int(year)).to_pylist()}
    if present:
        overspend_share(region, int(year), present)
    for one in region.alliance_tables.assessments:
        if one.year == int(year) and one.alliance_id in present:
            split = f"{one.county}:{one.township}:{one.village}"
            fixed[f"医共体 {one.alliance_id}"] = f"留用 {_share(one.retention_e4)}，县乡村 {split}"
    return fixed


def sha_of(fixed: Mapping[str, str]) -> str:
    """The hash of all that a step fixes, in whatever order it comes."""
    return hashlib.sha256(json.dumps(sorted(fixed.items()), ensure_ascii=False).encode()).hexdigest()


def _decisions(ledger: Ledger, region: Region, months: Sequence[Published], out: Path) -> str:
    """The decisions about cases that the months paid, counted. Raises UsageMistake where a month does not know one."""
    decisions = load_decisions(ledger)
    finished = {row["run_id"]: row["finished_at"] for row in runs(ledger)}
    paid: set[str] = set()
    for one in months if decisions else ():
        cases = pl.scan_parquet(run_folder(out, region.pack.name, one) / "case_payment.parquet")
        wanted = [decision.case_id for decision in decisions]
        mine = cases.filter((pl.col("door") == "paid") & pl.col("case_id").is_in(wanted)).select("case_id")
        met = set(mine.collect()["case_id"])
        late = met & set(decided_since(ledger, finished[one.run_id]))
        if late:
            raise UsageMistake(
                f"{one.period} 发布之后又导入了 {len(late)} 个涉及它的单议决定，还没有算进去；"
                f"请先 `drgdip rerun {region.spoken} --from {one.period} --to {one.period}` 并发布"
            )
        paid |= met
    told = [one for one in decisions if one.case_id in paid]
    return f"{len(told)} 个 {decisions_sha(told)[:12]}"


def _hospitals(ledger: Ledger, region: Region, year: str) -> set[tuple[str, str]]:
    """Hospital and insurance type of all that the year's months settled or that has an amount of its own."""
    rows: list[dict[str, Any]] = [asdict(one) for one in amounts_of_year(region, year)]
    for month in months_of_year(ledger, year):
        rows += results(ledger, month.run_id)
    return {(row["hospital_id"], row["insurance_type"]) for row in rows}


def _keys(name: str, entry: Dated) -> dict[str, str]:
    return {
        f"{name}.{key}": _told(value) for key, value in entry.model_dump(mode="json", by_alias=True).items()
    }


def _told(value: Any) -> str:
    if value is None:
        return "空"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _sum(amounts: Collection[Amount]) -> str:
    total = yuan_text(sum(one.amount_fen for one in amounts))
    return f"{total} 元，{_counted([asdict(one) for one in amounts])}"


def _counted(found: Iterable[Mapping[str, Any]]) -> str:
    """How many rows, and the hash that tells whether they are the same, in whatever order."""
    rows = sorted(_told(dict(row)) for row in found)
    return f"{len(rows)} 笔 {hashlib.sha256(_told(rows).encode()).hexdigest()[:12]}"


def _share(e4: int) -> str:
    return f"{e4 // E4}.{e4 % E4:04d}"


def _named(names: Collection[str]) -> str:
    return "、".join([*names][:SHOWN]) + (f" 等 {len(names)} 家" if len(names) > SHOWN else "")
