"""Proposed weights, or a whole other pack, against the present on stored months: who gains, who loses, who pays (DESIGN §8).

Nothing is validated or grouped anew: every month's stored rows are priced by the statements of a run, once by the present
parameters and once by each proposal, and added up in SQL; no wide table is written.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pipeline.errors import AuditBroken, ConfigurationError, UsageMistake
from pipeline.findings import BY_CODE
from pipeline.finish import Tick
from pipeline.identity import code_version, sha256_of
from pipeline.query import audit, audit_names, engine, keep, parquet_view, rows, statement, store, table, view
from pipeline.region import Region
from pipeline.score import price, register_prices
from pipeline.settle import hospitals_on
from pipeline.simulate_inputs import (
    Proposal,
    Stored,
    pack_proposal,
    present_of,
    review_of_run,
    simulation_id,
    stop_on_names,
    stored_months,
    weights_proposal,
)
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
LAWS = "audit_simulate"
PRESENT_LAW = f"{LAWS}/present_equals_stored"
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
        lines = [f"{made['title']} {months}，测算 {made['simulation']}，核对 {len(made['audits'])} 项全部相符"]
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


@dataclass
class Sums:
    """What pricing leaves: rows of `lines`, `crossings` and `values` by proposal (0 is the present) and month."""

    lines: list[pa.Table] = field(default_factory=list)
    crossings: list[pa.Table] = field(default_factory=list)
    values: list[dict[str, Any]] = field(default_factory=list)
    changed_since: list[str] = field(default_factory=list)


def simulate(
    region: Region, history: Sequence[Path], weights: Sequence[tuple[str, Path]], packs: Sequence[tuple[str, Path]],
    out: Path, memory_limit: str = "2GiB", tick: Tick = lambda stage, done, total: None,
) -> Simulated:  # fmt: skip
    """Write the tables of TABLES, `simulation.xlsx`, `simulation.html` and `simulation.json` into `out`, all or nothing.

    `weights` and `packs`: proposals as (name, file | folder). Raises UsageMistake, ConfigurationError and InputError for
    what cannot be compared, AuditBroken where the present parameters do not give what is stored.
    """
    if out.exists():
        raise UsageMistake(f"输出位置已有内容：{out}；请用 --out 另选文件夹")
    stop_on_names([name for name, _ in (*weights, *packs)])
    present = present_of(region)
    months = stored_months(history, region)
    proposals = [
        *(weights_proposal(name, path, present, months[-1]) for name, path in weights),
        *(pack_proposal(name, path, present) for name, path in packs),
    ]
    with appearing(out, folder=True) as beside, tempfile.TemporaryDirectory(dir=beside.parent) as scratch:
        sums = Sums()
        for nth, month in enumerate(months):
            for number, one in enumerate([present, *proposals]):
                tick("score", nth * (len(proposals) + 1) + number, len(months) * (len(proposals) + 1))
                _add_month(sums, month, number, one, Path(scratch), memory_limit)
        with engine(Path(scratch), memory_limit) as con:
            _register(con, region, months, [present, *proposals], sums)
            laws = _assemble(con, beside)
            run = simulation_id(present, months, proposals, code_version())
            report = Report(con, region, run, [one.period for one in months], [one.name for one in proposals], sums.changed_since)
            tick("write", 0, 0)
            write_workbook(beside / "simulation.xlsx", report)
            write_page(beside / "simulation.html", report)
            totals = report.rows(statement("simulate/headline"))
        manifest = _manifest(beside, run, region, months, [present, *proposals], sums, laws, totals)
    return Simulated(out, manifest)


@contextmanager
def _priced(month: Stored, one: Proposal, spill: Path, memory_limit: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection of its own that holds `simulated` and `classed`: a month priced by one proposal."""
    with tempfile.TemporaryDirectory(dir=spill) as own, engine(Path(own), memory_limit) as con:
        for name, stored in (
            ("validated", "validated"), ("grouped", "grouped"), ("stored_payment", "case_payment"), ("stored_scored", "scored"),
        ):  # fmt: skip
            parquet_view(con, name, [month.table(stored)])
        keep(con, "simulate/arrivals")
        register_prices(con, one.region, one.terms, one.schemes)
        price(con, one.region.pack.kind, review_of_run(month, one.region))
        keep(con, "simulate/simulated")
        view(con, "simulate/classed")
        yield con


def _add_month(sums: Sums, month: Stored, number: int, one: Proposal, scratch: Path, memory_limit: str) -> None:
    kept = scratch / f"present-{month.run}.parquet"
    with _priced(month, one, scratch, memory_limit) as con:
        if number == 0:
            _prove_present(con, month, one, sums)
            con.table("classed").write_parquet(str(kept), compression="snappy")
        parquet_view(con, "present", [kept])
        if number:
            crossings = table(con, "simulate/crossings")
            _stop_on_lost(con, crossings, month, one)
            sums.crossings.append(_tagged(crossings, number, month.period))
        sums.lines.append(_tagged(table(con, "simulate/lines"), number, month.period))
        sums.values += [row | {"proposal_no": number} for row in rows(con, statement("simulate/values"))]


def _tagged(content: pa.Table, number: int, period: str) -> pa.Table:
    height = content.num_rows
    return content.append_column("proposal_no", pa.array([number] * height, pa.int32())).append_column(
        "period", pa.array([period] * height, pa.string())
    )


def _prove_present(con: duckdb.DuckDBPyConnection, month: Stored, present: Proposal, sums: Sums) -> None:
    """The present parameters give what is stored; a month of an earlier pack may differ, and the report says so."""
    try:
        audit(con, [PRESENT_LAW])
    except AuditBroken:
        if month.pack_sha256 == present.region.sha256:
            raise
        sums.changed_since.append(month.period)


def _stop_on_lost(con: duckdb.DuckDBPyConnection, crossings: pa.Table, month: Stored, one: Proposal) -> None:
    """A case paid at present for which the proposal has no price stops it: it is never a zero."""
    if "unpaid" not in crossings.column("class_after").to_pylist():
        return
    con.register("late_found", table(con, "late_findings"))
    lost = rows(con, statement("simulate/lost"))
    if not lost:
        return
    told = [
        f"{BY_CODE[row['code']].title} {row['value']}（{row['cases']:,} 例，如 {row['case_id']}）"
        for row in sorted(lost, key=lambda row: (-row["cases"], row["code"], row["value"]))[:5]
    ]
    more = f"等 {len(lost)} 项" if len(lost) > len(told) else ""
    raise ConfigurationError(
        f"方案 `{one.name}`（{one.source}）不能给 {month.period} 的 {sum(row['cases'] for row in lost):,} 例现行有价的病例定价："
        f"{'、'.join(told)}{more}；请补齐后再测算"
    )


def _register(
    con: duckdb.DuckDBPyConnection, region: Region, months: Sequence[Stored], all_: Sequence[Proposal], sums: Sums
) -> None:
    """The sums of every month and proposal as tables, and the names they are told by."""
    for name, parts in (("lines", sums.lines), ("crossings", sums.crossings)):
        con.register(name, pa.concat_tables(parts))
    con.register("proposals", pa.table({
        "proposal_no": pa.array(range(len(all_)), pa.int32()), "proposal": pa.array([one.name for one in all_], pa.string()),
    }))  # fmt: skip
    names = {group: title for one in all_ for scheme in one.schemes.values() for group, title in scheme.names.items()}
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
    found, funds = [], []
    kinds = sorted({row["insurance_type"] for row in sums.values})
    for number in range(1, count):
        for kind in kinds:
            now = [row for row in sums.values if (row["proposal_no"], row["insurance_type"]) == (0, kind)]
            own = [row for row in sums.values if (row["proposal_no"], row["insurance_type"]) == (number, kind)]
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
    for price_ in sorted({row["price"] for row in own if row["price"] is not None}) or [None]:
        met = [row for row in own if row["price"] == price_]
        yield {
            "proposal_no": number, "insurance_type": kind, "by_points": any(row["by_points"] for row in met),
            "price": price_, "cases": sum(row["cases"] for row in met), "pool_fen": pool,
            "fund_fen": sum(row["fund_fen"] for row in own),
            "multiplier_num": None if m is None else str(m.numerator),
            "multiplier_den": None if m is None else str(m.denominator),
            "multiplier": None if m is None else shown(m),
            "neutral_price": None if m is None or price_ is None else shown(m * price_.as_integer_ratio()[0] / price_.as_integer_ratio()[1]),
            "why": solved.why,
        }  # fmt: skip


def _assemble(con: duckdb.DuckDBPyConnection, folder: Path) -> list[str]:
    """The tables of the simulation as files, their laws proved."""
    keep(con, "simulate/compared")
    for name in TABLES:
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
