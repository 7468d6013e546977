"""Proposed weights, or a whole other pack, against the present on stored months: who gains, who loses, who pays (DESIGN §8).

Nothing is validated or grouped anew: every month's stored rows are priced by the statements of a run, once by the present
parameters and once by each proposal, and added up in SQL; no wide table is written.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pipeline.errors import UsageMistake
from pipeline.finish import Tick
from pipeline.identity import code_version, sha256_of
from pipeline.query import audit, audit_names, engine, keep, statement, store
from pipeline.region import Region
from pipeline.settle import hospitals_on
from pipeline.simulate_inputs import (
    Proposal,
    Stored,
    pack_proposal,
    present_of,
    simulation_id,
    stop_on_names,
    stored_months,
    weights_proposal,
)
from pipeline.simulate_months import PRESENT_LAW, Sums, add_month
from pipeline.simulate_page import write_page
from pipeline.simulate_report import Report
from pipeline.simulate_value import Neutral, neutral, shown
from pipeline.simulate_workbook import write_workbook
from pipeline.words import yuan_text
from pipeline.write import appearing
from pipeline.yardstick import period_days

TABLES = (
    "simulation_total", "simulation_hospital", "simulation_group", "simulation_class", "simulation_rank", "simulation_value",
)  # fmt: skip
CROSSWALK = "simulation_crosswalk"  # only where a proposal groups anew
LAWS = "audit_simulate"
NO_VALUES = pa.schema(
    [("proposal_no", pa.int32()), ("insurance_type", pa.string()), ("by_points", pa.bool_()),
     ("price", pa.decimal128(18, 6)), ("cases", pa.int64()), ("pool_fen", pa.int64()), ("fund_fen", pa.int64()),
     ("multiplier_num", pa.string()), ("multiplier_den", pa.string()), ("multiplier", pa.decimal128(18, 6)),
     ("neutral_price", pa.decimal128(18, 6)), ("why", pa.string())]
)  # fmt: skip
FUNDS = pa.schema(
    [("proposal_no", pa.int32()), ("hospital_id", pa.string()), ("insurance_type", pa.string()),
     ("fund_neutral_fen", pa.int64())]
)  # fmt: skip


@dataclass(frozen=True)
class Simulated:
    """Where a simulation stands, and what `simulation.json` says of it."""

    folder: Path
    manifest: dict[str, Any]

    def told(self) -> list[str]:
        """A few lines in Chinese for the end of the command."""
        made = self.manifest
        months = "、".join(one["period"] for one in made["history"])
        lines = [
            f"{made['title']} {months}，测算 {made['simulation']}，核对 {len(made['audits'])} 项全部相符"
        ]
        for row in made["totals"]:
            change = row["fund_change_fen"]
            lines.append(
                f"{row['proposal']}：基金 {yuan_text(row['fund_before_fen'])} → {yuan_text(row['fund_after_fen'])} 元"
                f"（{'+' if change > 0 else ''}{yuan_text(change)}），受益 {row['won']} 家，受损 {row['lost']} 家，"
                f"跨档 {row['crossed']:,} 例"
            )
        if made["changed_since"]:
            lines.append(f"注意：{'、'.join(made['changed_since'])} 按今天的参数包重算，与当时的结果不同")
        return [*lines, f"网页：{self.folder / 'simulation.html'}；工作簿：{self.folder / 'simulation.xlsx'}"]


def simulate(
    region: Region, history: Sequence[Path], weights: Sequence[tuple[str, Path]], packs: Sequence[tuple[str, Path]],
    out: Path, memory_limit: str = "2GiB", tick: Tick = lambda stage, done, total: None, regroup: bool = False,
) -> Simulated:  # fmt: skip
    """Write the tables of TABLES, `simulation.xlsx`, `simulation.html` and `simulation.json` into `out`, all or nothing.

    `weights` and `packs`: proposals as (name, file | folder). `regroup` lets a pack have another scheme: its cases are
    grouped anew and `simulation_crosswalk` tells old group → new group. Raises UsageMistake, ConfigurationError and InputError for
    what cannot be compared, AuditBroken where the present parameters do not give what is stored.
    """
    if out.exists():
        raise UsageMistake(f"输出位置已有内容：{out}；请用 --out 另选文件夹")
    stop_on_names([name for name, _ in (*weights, *packs)])
    present = present_of(region)
    months = stored_months(history, region)
    proposals = [
        *(weights_proposal(name, path, present, months[-1]) for name, path in weights),
        *(pack_proposal(name, path, present, regroup) for name, path in packs),
    ]
    with appearing(out, folder=True) as beside, tempfile.TemporaryDirectory(dir=beside.parent) as scratch:
        sums = Sums()
        for nth, month in enumerate(months):
            for number, one in enumerate([present, *proposals]):
                tick("score", nth * (len(proposals) + 1) + number, len(months) * (len(proposals) + 1))
                add_month(sums, month, number, one, Path(scratch), memory_limit)
        with engine(Path(scratch), memory_limit) as con:
            _register(con, region, months, [present, *proposals], sums)
            laws = _assemble(con, beside, bool(sums.crosswalk))
            run = simulation_id(present, months, proposals, code_version())
            report = Report(
                con,
                region,
                run,
                [one.period for one in months],
                [one.name for one in proposals],
                sums.changed_since,
                bool(sums.crosswalk),
                {mdc: title for one in [present, *proposals] for mdc, title in _mdc_names(one).items()},
            )
            tick("write", 0, 0)
            write_workbook(beside / "simulation.xlsx", report)
            write_page(beside / "simulation.html", report)
            totals = report.rows(statement("simulate/headline"))
        manifest = _manifest(beside, run, region, months, [present, *proposals], sums, laws, totals)
    return Simulated(out, manifest)


def _mdc_names(one: Proposal) -> dict[str, str]:
    """MDC → name, of every scheme that has them."""
    books = [scheme.book for scheme in one.schemes.values() if scheme.book is not None]
    return {mdc: title for book in books for mdc, title in book.mdc_names.items()}


def _register(
    con: duckdb.DuckDBPyConnection,
    region: Region,
    months: Sequence[Stored],
    all_: Sequence[Proposal],
    sums: Sums,
) -> None:
    """The sums of every month and proposal as tables, and the names they are told by."""
    for name, parts in (("lines", sums.lines), ("crossings", sums.crossings), ("crosswalk", sums.crosswalk)):
        if parts:
            con.register(name, pa.concat_tables(parts))
    con.register("proposals", pa.table({
        "proposal_no": pa.array(range(len(all_)), pa.int32()), "proposal": pa.array([one.name for one in all_], pa.string()),
    }))  # fmt: skip
    names = {
        group: title
        for one in all_
        for scheme in one.schemes.values()
        for group, title in scheme.names.items()
    }
    con.register("group_names", pa.table({
        "group_code": pa.array(list(names), pa.string()), "name": pa.array(list(names.values()), pa.string()),
    }))  # fmt: skip
    con.register("hospitals", hospitals_on(region, period_days(months[-1].period)[1]))
    members = [
        (month.period, one.hospital_id, one.alliance_id, one.alliance_name)
        for month in months for one in region.memberships if one.from_ <= period_days(month.period)[1] <= one.to
    ]  # fmt: skip
    columns = ("period", "hospital_id", "alliance_id", "alliance_name")
    con.register("memberships", pa.table({
        name: pa.array([row[place] for row in members], pa.string()) for place, name in enumerate(columns)
    }))  # fmt: skip
    _register_neutral(con, len(all_), sums)


def _register_neutral(con: duckdb.DuckDBPyConnection, count: int, sums: Sums) -> None:
    """`neutral_values` and `neutral_funds`: the price that keeps the present pool, and the money at it."""
    found: list[dict[str, Any]] = []
    funds: list[dict[str, Any]] = []
    kinds = sorted({row["insurance_type"] for row in sums.values})
    for number in range(1, count):
        for kind in kinds:
            now = [row for row in sums.values if (row["proposal_no"], row["insurance_type"]) == (0, kind)]
            own = [
                row for row in sums.values if (row["proposal_no"], row["insurance_type"]) == (number, kind)
            ]
            pool = sum(row["fund_fen"] for row in now)
            solved = neutral(own, pool)
            found += _value_rows(number, kind, own, pool, solved)
            funds += [
                {"proposal_no": number, "hospital_id": name, "insurance_type": kind, "fund_neutral_fen": fen}
                for name, fen in solved.funds_fen.items()
            ]
    con.register("neutral_values", pa.Table.from_pylist(found, NO_VALUES))
    con.register("neutral_funds", pa.Table.from_pylist(funds, FUNDS))


def _value_rows(
    number: int, kind: str, own: Sequence[dict[str, Any]], pool: int, solved: Neutral
) -> Iterator[dict[str, Any]]:
    """One row per price that the proposal's cases met."""
    m = solved.multiplier
    for worth in sorted({row["price"] for row in own if row["price"] is not None}) or [None]:
        met = [row for row in own if row["price"] == worth]
        yield {
            "proposal_no": number, "insurance_type": kind, "by_points": any(row["by_points"] for row in met),
            "price": worth, "cases": sum(row["cases"] for row in met), "pool_fen": pool,
            "fund_fen": sum(row["fund_fen"] for row in own),
            "multiplier_num": None if m is None else str(m.numerator),
            "multiplier_den": None if m is None else str(m.denominator),
            "multiplier": None if m is None else shown(m),
            "neutral_price": None if m is None or worth is None else shown(m * Fraction(worth)),
            "why": solved.why,
        }  # fmt: skip


def _assemble(con: duckdb.DuckDBPyConnection, folder: Path, regrouped: bool) -> list[str]:
    """The tables of the simulation as files, their laws proved."""
    keep(con, "simulate/compared")
    for name in (*TABLES, *([CROSSWALK] if regrouped else ())):
        store(con, f"simulate/{name}", folder / f"{name}.parquet")
    title = statement(PRESENT_LAW).splitlines()[0].removeprefix("-- ")
    return [title, *audit(con, [name for name in audit_names(LAWS) if name != PRESENT_LAW])]


def _manifest(
    folder: Path, run: str, region: Region, months: Sequence[Stored], all_: Sequence[Proposal], sums: Sums, laws: list[str],
    totals: list[dict[str, Any]],
) -> dict[str, Any]:  # fmt: skip
    """`simulation.json`: what it was made from, and the hash of every file. No times."""
    manifest = {
        "simulation": run, "region": region.pack.name, "title": region.pack.title, "pack_sha256": region.sha256,
        "code_version": code_version(),
        "history": [{"period": one.period, "run": one.run} for one in months],
        "changed_since": sums.changed_since,
        "proposals": [{"name": one.name, "source": one.source, "sha256": one.sha256} for one in all_[1:]],
        "audits": laws, "totals": totals,
        "files": {file.name: sha256_of(file) for file in sorted(folder.iterdir())},
    }  # fmt: skip
    text = json.dumps(manifest, ensure_ascii=False, indent=1)
    (folder / "simulation.json").write_text(text + "\n", encoding="utf-8")
    return manifest
