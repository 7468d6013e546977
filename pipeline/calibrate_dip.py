"""Build a local DIP catalogue from history: read, draft rows, match, cost, score, write.

Source: DESIGN §5 and DIP 技术规范 第三、五章. Nothing depends on the order or the partitioning of the input.
"""

from __future__ import annotations

import datetime as dt
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np

from groupers.codes import load_code_tables
from groupers.dip.catalogue import Catalogue, CoreRow, DipChoices, Exclusion, PooledRow
from groupers.dip.load import load_catalogue
from groupers.dip.write import dx4_names, write_catalogue
from pipeline.calibrate_candidates import CandidateFinder, Candidates
from pipeline.calibrate_cost import Cost, costs_of
from pipeline.calibrate_evidence import Built, catalogue_tables, documents, manifest
from pipeline.calibrate_history import (
    History,
    HistoryReader,
    history_of,
    open_history,
    stage_cases,
    stage_history,
)
from pipeline.calibrate_places import CodeSpace
from pipeline.calibrate_report import report
from pipeline.calibrate_rows import (
    LIBRARY,
    NONE,
    POOLED,
    Combinations,
    Draft,
    LocalRows,
    RowCodes,
    assign,
    pool,
)
from pipeline.calibrate_rules import Rules
from pipeline.calibrate_score import scale_of, score_rows
from pipeline.errors import ConfigurationError, InputError, UsageMistake
from pipeline.query import engine
from pipeline.region import Region
from pipeline.write import appearing

OPEN_END = dt.date(9999, 12, 31)  # a draft holds from no day on until someone puts it in force
REPORT = "report.md"


@dataclass(frozen=True)
class Order:
    """What is to be built: name and folder of the scheme, the library to start from, the version to compare with."""

    name: str
    out: Path
    library: str | None = None
    previous: str | None = None
    effective_from: dt.date | None = None


def build_catalogue(
    path: Path,
    region: Region,
    rules: Rules,
    order: Order,
    memory: str = "4GiB",
    tick: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> Built:
    """Build the catalogue from the discharges at `path` and write it as a sealed scheme draft to `order.out`.

    The folder appears complete or not at all. Raises InputError, ConfigurationError, UsageMistake, SchemeError.
    """
    if order.out.exists():
        raise UsageMistake(f"目录草案的文件夹已存在：{order.out}；请用 --out 另选文件夹，或先移走原文件夹")
    _check_levels(rules, region)
    library = load_catalogue(order.library) if order.library else None
    previous = load_catalogue(order.previous) if order.previous else None
    exclusions = _exclusions(library, previous)
    with appearing(order.out) as beside:
        work = Path(tempfile.mkdtemp(prefix=f".{order.out.name}.work-", dir=order.out.parent))
        try:
            with engine(work, memory) as con:
                built = _build(con, work, path, region, rules, order, library, previous, exclusions, tick)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        tick("写出", 0, 0)
        write_catalogue(beside, manifest(built), catalogue_tables(built), documents(built))
        (beside / REPORT).write_text(report(built), encoding="utf-8")
    return built


def _exclusions(library: Catalogue | None, previous: Catalogue | None) -> tuple[Exclusion, ...]:
    source = library or previous
    return source.exclusions if source else ()


def _check_levels(rules: Rules, region: Region) -> None:
    for level in rules.base.levels if rules.base else ():
        if level not in region.pack.levels:
            raise ConfigurationError(
                f"测算规则的 base.levels 有地区没有的级别：`{level}`；地区 {region.pack.name} 的级别为 "
                f"{'、'.join(region.pack.levels)}，请更正其一"
            )


def _build(
    con: duckdb.DuckDBPyConnection,
    work: Path,
    path: Path,
    region: Region,
    rules: Rules,
    order: Order,
    library: Catalogue | None,
    previous: Catalogue | None,
    exclusions: tuple[Exclusion, ...],
    tick: Callable[[str, int, int], None],
) -> Built:
    tables = load_code_tables()
    space = CodeSpace(tables, library, tuple(one.prefix for one in exclusions))
    history = _read(con, work, path, region, rules, space, tick)
    combinations = Combinations(con.table("combinations").order("combination").to_arrow_table(), space)
    local = LocalRows(tables, dx4_names(tables), RowCodes(library))
    choices = _choices(library, rules)

    def measure(combination: np.ndarray, group: np.ndarray) -> dict[int, Cost]:
        return costs_of(con, combination, group, rules.trim)

    tick("选病种", 0, 0)
    candidates = CandidateFinder(combinations, library, rules, local).find(measure)
    drafts = [*(Draft(row, LIBRARY) for row in (library.core if library else ())), *candidates.drafts]
    tick("入组", 0, 0)
    assigned = assign(combinations, drafts, choices, rules.threshold)
    pooled = pool(combinations, assigned.row == NONE, library, local, rules.pooled_threshold)
    rows: list[CoreRow | PooledRow] = [*(draft.row for draft in assigned.drafts), *pooled.rows]
    if not rows:
        raise InputError(
            f"历史记录成不了任何病种：可用病例 {history.cases} 例，核心病种临界值 {rules.threshold} 例，"
            f"综合病种 {rules.pooled_threshold} 例；请补充历史或改规则"
        )
    origins = [*(draft.origin for draft in assigned.drafts), *(POOLED for _ in pooled.rows)]
    tick("测算", 0, 0)
    group = np.where(assigned.row != NONE, assigned.row, pooled.row + len(assigned.drafts))
    group[(assigned.row == NONE) & (pooled.row == NONE)] = len(rows)
    costs = measure(np.arange(len(combinations)), group)
    of_rows = [costs[place] for place in range(len(rows))]
    scale = scale_of(rows, of_rows, rules)
    scored = score_rows(rows, origins, of_rows, rules, region.pack.levels, scale)
    return Built(
        order.name, region, rules, history, tuple(scored), costs.get(len(rows), Cost()), scale, choices,
        library, previous, exclusions, order.effective_from or OPEN_END, _dropped(assigned.dropped, candidates),
        pooled.dropped,
    )  # fmt: skip


def _choices(library: Catalogue | None, rules: Rules) -> DipChoices:
    """How a case meets its row. Tie-breakers that look at scores or costs have nothing to look at before scoring."""
    own = library.choices if library else DipChoices()
    return DipChoices(own.conservative, own.related)


def _dropped(
    thin: tuple[tuple[Draft, int], ...], candidates: Candidates
) -> tuple[tuple[Draft, int, str], ...]:
    """Rows not taken with cases and reason; the reason of thin ones is empty, their number says it."""
    found = [(draft, cases, "") for draft, cases in thin]
    found += [(one.draft, one.cases, one.reason) for one in candidates.refused]
    return tuple(sorted(found, key=lambda one: (one[0].origin, one[0].key, one[0].row.row)))


def _read(
    con: duckdb.DuckDBPyConnection,
    work: Path,
    path: Path,
    region: Region,
    rules: Rules,
    space: CodeSpace,
    tick: Callable[[str, int, int], None],
) -> History:
    """Stage the history and check that it can carry a catalogue. Raises InputError."""
    less_separate = rules.fee == "total_less_separate"
    source = open_history(path, less_separate)
    reader = HistoryReader(region, load_code_tables(), space, less_separate)
    done = 0

    def count(batch: int) -> None:
        nonlocal done
        done += batch
        tick("读取", done, source.rows)

    stage_history(con, source, reader, work, count)
    history = history_of(con, source.rows, len(rules.year_weights))
    _check_history(history, path, region, rules)
    stage_cases(con, work, history.months[-1].month, len(rules.year_weights))
    return history


def _check_history(history: History, path: Path, region: Region, rules: Rules) -> None:
    levels = sum(history.left_out.get(reason, (0, 0))[0] for reason in ("unknown_hospital", "unknown_level"))
    if not history.months and levels:
        raise InputError(
            f"历史记录的医院级别全部未知：{path} 共 {history.rows} 行，{levels} 行的医院在出院之日不在地区 "
            f"{region.pack.name} 的医院表里或没有级别；请补全该地区 hospitals.csv 的起止日期与级别"
        )
    if not history.months:
        raise InputError(f"历史记录没有一行可用：{path} 共 {history.rows} 行；请检查主要诊断、费用与出院日期")
    if len(history.months) < rules.shortest_history_months:
        first, last = history.months[0].text, history.months[-1].text
        raise InputError(
            f"历史太短：{path} 只有 {len(history.months)} 个月有可用病例（{first} 至 {last}），"
            f"至少要 {rules.shortest_history_months} 个月；请补充更早的出院记录"
        )
    if history.hospitals < rules.fewest_hospitals:
        raise InputError(
            f"历史里的医院太少：{path} 的可用病例只来自 {history.hospitals} 家医院，至少要 {rules.fewest_hospitals} 家，"
            "否则均费不代表全区；请补充其他医院的出院记录"
        )
