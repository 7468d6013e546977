"""Join the national platform's own tables into the discharges contract (DESIGN §3).

Cases are handled in file order, a slice at a time, so that memory does not grow with the year.
Source: interfaces 2304 (setl_d) and 4101 (setlinfo, diseinfo, oprninfo, icuinfo).
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import platform_findings as notes
from pipeline.errors import AuditBroken, InputError, UsageMistake
from pipeline.platform_sources import SOURCE_TABLES, stage_tables
from pipeline.query import statement
from pipeline.tables import DISCHARGE_SCHEMA

CASES_AT_ONCE = 250_000  # one slice is one row group
GROUPS_PER_FILE = 16
MOST_REPEATS = 1_000  # of one settlement id; more is a spoilt column, not a duplicate
MOST_ORPHANS_NAMED = 1_000  # per table; beyond it they are counted
JOINED = ("platform_list_rows", "platform_diagnosis_rows", "platform_procedure_rows", "platform_icu_rows")
# Tables of one slice of cases: read from the staged tables by place, or computed from the slice's text.
SLICED = ("platform_case_text", "platform_icu_minutes", "platform_case_diagnoses", "platform_case_procedures")
PARSED = ("platform_case_fen", "platform_case_dates", "platform_case_numbers")


@dataclass(frozen=True)
class Conversion:
    """What a conversion wrote: rows, files in order, and findings.

    findings: case_id, hospital_id, code, column (the platform's field), value (≤ 60 characters), message.
    """

    rows: int
    files: tuple[Path, ...]
    findings: pa.Table


def convert_platform(
    folder: Path, target: Path, place_codes: Mapping[str, str], memory_limit: str = "4GiB"
) -> Conversion:
    """Write the tables in `folder` as discharges to the new folder `target`, in settlement file order.

    `folder` holds settlement, list, diagnosis and, if any, procedure and icu, each a .parquet, a .csv
    (UTF-8 or GB18030) or a folder of them; place_codes maps pay_loc to local, province or country.
    Files: discharges-NNNNN.parquet as DISCHARGE_SCHEMA, money in fen. `memory_limit` (`4GiB`) is for
    the process: DuckDB takes three quarters of it and spills beside `target`.
    Every settlement is written or has the finding `not_inpatient`.
    Raises InputError, UsageMistake; then, and after a crash, nothing stands at `target`.
    """
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise InputError(f"输出位置已有内容，请换一个位置或先移走：`{target}`")
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        staged = stage_tables(folder, work)
        with _engine(work, memory_limit, place_codes) as con:
            found = _join(con, work)
            out = work / "discharges"
            out.mkdir()
            rows = _write(con, out, staged["settlement"], found)
        out.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    files = tuple(sorted(target.glob("discharges-*.parquet")))
    findings = pa.concat_tables([notes.FINDINGS_SCHEMA.empty_table(), *found]).combine_chunks()
    return Conversion(rows, files, findings)


def _engine(work: Path, memory_limit: str, place_codes: Mapping[str, str]) -> duckdb.DuckDBPyConnection:
    """Open DuckDB over the staged tables; it spills into `work`."""
    con = duckdb.connect(
        config={
            "memory_limit": f"{_engine_share(memory_limit)}B",
            "temp_directory": str(work / "spill"),
            "autoinstall_known_extensions": False,
        }
    )
    for table in SOURCE_TABLES:
        con.read_parquet(str(work / f"{table.name}.parquet")).create_view(f"{table.name}_source")
    con.sql(statement("platform_settlements")).create_view("platform_settlements")
    codes = sorted(place_codes.items())
    con.register(
        "platform_place_codes",
        pa.table({"pay_loc": [key for key, _ in codes], "place": [place for _, place in codes]}),
    )
    return con


def _engine_share(memory_limit: str) -> int:
    """Return DuckDB's part of the limit in bytes; the rest is for the Arrow tables of one slice."""
    read = re.fullmatch(r"([0-9]+)\s*([KMGT])iB", memory_limit)
    if read is None:
        raise UsageMistake(f"内存上限应写成整数加 KiB、MiB、GiB 或 TiB，如 `4GiB`，写的是：`{memory_limit}`")
    # measured with 5 million cases: the process takes about half a GiB beside DuckDB's own limit
    return int(read[1]) * 1024 ** (1 + "KMGT".index(read[2])) * 3 // 4


def _join(con: duckdb.DuckDBPyConnection, work: Path) -> list[pa.Table]:
    """Give every row of the other tables its case's place; return the findings on rows without a case."""
    worst = con.sql(statement("platform_most_repeated"), params={"most": MOST_REPEATS}).fetchall()
    if worst:
        spoilt, times = worst[0]
        raise InputError(
            f"结算表中同一个结算ID重复出现，可能被 Excel 改成了科学计数，请从平台重新导出：`{spoilt}` 共 {times} 行"
        )
    for name in (*JOINED, "platform_orphans"):
        path = str(work / f"{name}.parquet")
        con.sql(statement(name)).write_parquet(path)
        con.read_parquet(path).create_view(name)
    orphans = con.sql(statement("platform_orphan_findings"), params={"most": MOST_ORPHANS_NAMED})
    return notes.orphans(orphans.to_arrow_table())


def _write(con: duckdb.DuckDBPyConnection, out: Path, settlements: int, found: list[pa.Table]) -> int:
    """Write all discharges into `out`, a row group per slice, and add each slice's findings to `found`."""
    rows = left_out = groups = 0
    writer: pq.ParquetWriter | None = None
    for first in range(0, max(settlements, 1), CASES_AT_ONCE):
        between = {"first": first, "last": first + CASES_AT_ONCE}
        outside = con.sql(statement("platform_not_inpatient"), params=between).to_arrow_table()
        found.append(notes.not_inpatient(outside))
        left_out += outside.num_rows
        discharges = _slice(con, between, found)
        if writer is None or (groups and groups % GROUPS_PER_FILE == 0 and discharges.num_rows):
            if writer is not None:
                writer.close()
            number = groups // GROUPS_PER_FILE
            writer = pq.ParquetWriter(out / f"discharges-{number:05d}.parquet", DISCHARGE_SCHEMA)
        if discharges.num_rows:
            writer.write_table(discharges, row_group_size=CASES_AT_ONCE)
            groups += 1
        rows += discharges.num_rows
    if writer is not None:
        writer.close()
    if rows + left_out != settlements:
        raise AuditBroken(
            f"转换丢失或多出结算行，未输出，请联系维护人员：结算表 {settlements} 行，转入 {rows} 行，"
            f"非住院 {left_out} 行，相差 {settlements - rows - left_out} 行"
        )
    return rows


def _slice(con: duckdb.DuckDBPyConnection, between: Mapping[str, int], found: list[pa.Table]) -> pa.Table:
    """Return the discharges of one range of settlement rows and add its findings to `found`."""
    tables: dict[str, pa.Table] = {}
    for name in SLICED + PARSED:
        params = between if name in SLICED else {}
        tables[name] = con.sql(statement(name), params=params).to_arrow_table()
        con.register(name, tables[name])
    text = tables["platform_case_text"]
    for name in PARSED:
        found.extend(notes.unreadable(text, tables[name]))
    found.append(notes.unreadable_icu(_with_case(tables["platform_icu_minutes"], text)))
    found.extend(notes.doubts(con.sql(statement("platform_doubts")).to_arrow_table()))
    discharges = con.sql(statement("platform_discharges")).to_arrow_table().cast(DISCHARGE_SCHEMA)
    for name in SLICED + PARSED:
        con.unregister(name)
    return discharges


def _with_case(stays: pa.Table, text: pa.Table) -> pa.Table:
    rows = pc.index_in(stays["case_pos"], value_set=text["pos"].combine_chunks())
    for name in ("setl_id", "fixmedins_code"):
        stays = stays.append_column(name, text[name].take(rows))
    return stays
