"""Where a history of grouped cases comes from: finished runs, tables of grouped cases, discharges grouped on the fly.

All of them become one view `history_rows`: case_id, hospital_id, discharge_date, counted_on (the date that puts it into
a month), insurance_type, group_code, fee_fen, pool_fund_fen, separate_fen, aux_e4 (auxiliary coefficient in
ten-thousandths), reverses. See docs/calibration.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from pipeline.errors import InputError, UsageMistake
from pipeline.group import grouping_by
from pipeline.identity import sha256_of
from pipeline.query import parquet_view
from pipeline.read import Source, open_source
from pipeline.region import Region
from pipeline.review import current_run, manifest_of
from pipeline.tables import DISCHARGES, Column
from pipeline.yardstick import months_of

PERIODS = re.compile(r"\d{4}-\d{2}([.,].*)?")
SCORED = "scored.parquet"
SEPARATE, FUND, TO_GROUP = "separate_items_fen", "pool_fund_fen", "dx_codes"
# What `group --out` calls a case's group by either kind of scheme, and a run's tables.
GROUP_COLUMNS = ("group_code", "drg", "dip_code")
NEEDED = ("case_id", "hospital_id", "discharge_date", "insurance_type", "total_fee_fen")
OPTIONAL = ("reverses", "settlement_date", FUND, SEPARATE)
MANY_SOURCES = 400  # far beyond the months of any history


@dataclass(frozen=True)
class Given:
    """The parts of a history as found: finished runs by period, and tables; `told` names them for a report."""

    runs: tuple[Path, ...]
    tables: tuple[Path, ...]
    told: tuple[str, ...]


def find_history(given: Sequence[str], region: Region, runs: Path, scheme: str) -> Given:
    """Periods (`2023-01..2025-12`, their current runs), run folders, or Parquet files and folders.

    Raises UsageMistake for what is none of them, a run of another region, a period given twice; InputError for a run
    that was grouped by another scheme than `scheme` or was altered.
    """
    folders: list[Path] = []
    tables: list[Path] = []
    for text in given:
        if PERIODS.fullmatch(text):
            folders += [current_run(runs, region.pack.name, period) for period in months_of(text)]
        elif (Path(text) / "manifest.json").is_file():
            folders.append(Path(text))
        else:
            tables.append(Path(text))
    if len(folders) + len(tables) > MANY_SOURCES:
        raise UsageMistake(
            f"--history 给了 {len(folders) + len(tables)} 份历史，至多 {MANY_SOURCES} 份；请合并"
        )
    found: dict[str, tuple[str, Path]] = {}
    for folder in folders:
        period, run = _period(folder, region, scheme)
        if period in found:
            raise UsageMistake(
                f"同一结算期给了两次：{period}（批次 {found[period][0]}、{run}）；一期只能用一个批次，请更正 --history"
            )
        found[period] = run, folder / SCORED
    periods = sorted(found)
    told = tuple(f"{period} 批次 {found[period][0]}" for period in periods)
    return Given(
        tuple(found[period][1] for period in periods), tuple(tables),
        (*told, *(f"表 {path.name}" for path in tables)),
    )  # fmt: skip


def _period(folder: Path, region: Region, scheme: str) -> tuple[str, str]:
    """Period and run of a folder, proved to be this region's, unaltered, and grouped by the scheme."""
    manifest = manifest_of(folder)
    if manifest["region"] != region.pack.name:
        raise UsageMistake(
            f"批次与地区不符：{folder} 属于 `{manifest['region']}`，给出的地区是 `{region.pack.name}`；请更正 --history"
        )
    names = [one["entry"]["name"] for one in manifest.get("schemes", ())]
    if any(name != scheme for name in names):
        raise InputError(
            f"历史用的是另一版分组方案：{folder} 用 {'、'.join(names)}，测算的是 `{scheme}`；"
            "请给这些月份的出院记录（--history 文件夹），按测算的方案重新分组"
        )
    path, digest = folder / SCORED, manifest["files"].get(SCORED)
    found = sha256_of(path) if path.is_file() else "（不存在）"
    if found != digest:
        raise InputError(
            f"已有成果被改动：{path}，应为 sha256 {(digest or '（未登记）')[:12]}，实为 {found[:12]}；请重新运行该期"
        )
    return str(manifest["period"]), str(manifest["run"])


def stage_sources(
    con: duckdb.DuckDBPyConnection, given: Given, scheme: str, work: Path, separate: tuple[bool, bool],
    counted_by: str, tick: Callable[[str, int, int], None],
) -> None:  # fmt: skip
    """Make the view `history_rows` of all parts. `separate`: whether the fee is less the separately paid items, and
    whether their column is needed; `counted_by`: the date that puts a case into a month, where a
    table has it. Raises InputError for a table that lacks a column or is damaged."""
    parts = []
    for number, path in enumerate(given.tables):
        name = f"history_table_{number}"
        _stage_table(con, name, path, scheme, work, separate, counted_by, tick)
        parts.append(name)
    if given.runs:
        parquet_view(con, "history_runs_stored", given.runs)
        fee = _fee(separate[0])
        con.execute(
            f"""CREATE VIEW history_runs AS SELECT case_id, hospital_id, discharge_date,
            {counted_by} AS counted_on, insurance_type, group_code,
            {fee} AS fee_fen, pool_fund_fen, coalesce({SEPARATE}, 0) AS separate_fen,
            coalesce((auxiliary * 10000)::BIGINT, 10000) AS aux_e4, reverses
            FROM history_runs_stored"""
        )
        parts.append("history_runs")
    con.execute(
        "CREATE VIEW history_rows AS " + " UNION ALL ".join(f"SELECT * FROM {part}" for part in parts)
    )


def _fee(less_separate: bool) -> str:
    return f"total_fee_fen - coalesce({SEPARATE}, 0)" if less_separate else "total_fee_fen"


def _stage_table(
    con: duckdb.DuckDBPyConnection, name: str, path: Path, scheme: str, work: Path, separately: tuple[bool, bool],
    counted_by: str, tick: Callable[[str, int, int], None],
) -> None:  # fmt: skip
    source = _open(path, separately[1])
    stored = f"{name}_stored"
    parquet_view(con, stored, source.files)
    columns = {column.name for column in source.columns if column.name in source.present}
    fund = FUND if FUND in columns else "NULL::BIGINT"
    separate = f"coalesce(h.{SEPARATE}, 0)" if SEPARATE in columns else "0::BIGINT"
    counted_on = counted_by if counted_by in columns else "discharge_date"
    reverses = "nullif(h.reverses, '')" if "reverses" in columns else "NULL::VARCHAR"
    group = next((column for column in GROUP_COLUMNS if column in columns), None)
    joined = ""
    if group is None:
        target = work / f"{name}.parquet"
        done = 0

        def count(rows: int) -> None:
            nonlocal done
            done += rows
            tick("group", done, source.rows)

        grouping_by(scheme)(path, target, count)
        group = next(column for column in GROUP_COLUMNS if column in pq.read_schema(target).names)
        parquet_view(con, f"{name}_grouped", [target])
        # Rows of one number that differ are left out later, so joining each with each does no harm.
        joined = f"JOIN (SELECT DISTINCT case_id, {group} FROM {name}_grouped) g USING (case_id)"
    con.execute(
        f"""CREATE VIEW {name} AS SELECT nullif(case_id, '') AS case_id, h.hospital_id, h.discharge_date,
        h.{counted_on} AS counted_on,
        h.insurance_type, nullif({group}, '') AS group_code, h.{_fee(separately[0])} AS fee_fen, {fund} AS pool_fund_fen,
        {separate} AS separate_fen, 10000::BIGINT AS aux_e4, {reverses} AS reverses FROM {stored} h {joined}"""
    )


def _open(path: Path, separate: bool) -> Source:
    """The files of a table with what is needed of it, proved before anything is read."""
    contract = {column.name: column for column in DISCHARGES}
    asked = [contract[name] for name in NEEDED]
    asked += [
        Column(name, contract[name].type, name == SEPARATE and separate, False, contract[name].meaning)
        for name in OPTIONAL
    ]
    asked += [Column(name, contract["case_id"].type, False, False, "病组") for name in GROUP_COLUMNS]
    asked.append(Column(TO_GROUP, contract[TO_GROUP].type, False, False, "诊断编码"))
    source = open_source(path, asked)
    groups = [name for name in GROUP_COLUMNS if name in source.present]
    if len(groups) > 1 or (not groups and TO_GROUP not in source.present):
        raise InputError(
            f"历史缺病组：{path} 应有 {'、'.join(GROUP_COLUMNS)} 中的一列，实有 {'、'.join(groups) or '零列'}；"
            "请补上（`drgdip group` 可分组），或给出带 dx_codes、px_codes 的出院记录"
        )
    for file in source.files:  # a name of a partition's folder is not read here
        stored = set(pq.read_schema(file).names)
        missing = [name for name in (*NEEDED, *groups) if name not in stored]
        if missing:
            raise InputError(f"输入缺列：{file} 缺 `{missing[0]}`；请把它写进文件，不要只写在文件夹名里")
    return source
