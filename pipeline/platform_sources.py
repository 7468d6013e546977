"""Find the platform's own tables in a folder and stage each as text, one Parquet file per table.

Everything stays text here, so leading zeros survive; `pos` is the row's place in file order.
Source: interfaces 2304 (setl_d) and 4101 (setlinfo, diseinfo, oprninfo, icuinfo).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.errors import InputError
from pipeline.platform_csv import csv_batches, pick_columns

# Blanks that exports leave around a value; a trailing tab keeps Excel from mangling ids.
BLANKS = " \t\r\n\u00a0\u3000"


@dataclass(frozen=True)
class SourceTable:
    """One table of the platform: its file names, and the columns it must and may have."""

    name: str
    synonym: str
    name_zh: str
    needed: bool
    must: tuple[str, ...]
    may: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        return self.must + self.may

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([("pos", pa.int64())] + [(column, pa.string()) for column in self.columns])


# A column is a must where the contract column it feeds is required (pipeline.tables.DISCHARGES).
SOURCE_TABLES: tuple[SourceTable, ...] = (
    SourceTable(
        "settlement",
        "setl_d",
        "结算表",
        True,
        (
            *("setl_id", "fixmedins_code", "psn_no", "insutype", "gend", "age", "setl_time", "med_type"),
            *("medfee_sumamt", "fulamt_ownpay_amt", "overlmt_selfpay", "preselfpay_amt", "act_pay_dedc"),
            *("hifp_pay", "maf_pay", "psn_part_amt", "pay_loc", "refd_setl_flag", "init_setl_id"),
        ),
        (
            *("brdy", "insuplc", "hosp_part_amt", "inscp_scp_amt", "fund_pay_sumamt"),
            *("cvlserv_pay", "hifes_pay", "oth_pay", "hifmi_pay", "hifob_pay"),
        ),
    ),
    SourceTable(
        "list",
        "setlinfo",
        "结算清单表",
        True,
        ("setl_id", "adm_time", "dscg_time", "dscg_way", "nwb_age", "nwb_bir_wt"),
        ("nwb_adm_wt", "act_ipt_days", "ipt_med_type", "trt_type", "dscg_caty", "vent_used_dura"),
    ),
    SourceTable("diagnosis", "diseinfo", "诊断表", True, ("setl_id", "diag_code", "maindiag_flag")),
    SourceTable(
        "procedure", "oprninfo", "手术操作表", False, ("setl_id", "oprn_oprt_code", "oprn_oprt_type")
    ),
    SourceTable("icu", "icuinfo", "重症监护表", False, ("setl_id", "scs_cutd_sum_dura")),
)

# A file of a few hundred bytes can claim gigabytes (DESIGN §2 fact 11); rows with an id of their own
# take more than one byte each, and text seldom shrinks below a hundredth.
ROWS_UNCHECKED, BYTES_UNCHECKED = 1_000_000, 1 << 30
MOST_EXPANSION, MOST_ROW_GROUPS = 200, 100_000


def stage_tables(folder: Path, stage: Path) -> dict[str, int]:
    """Write `stage`/NAME.parquet for every source table and return the rows of each.

    Columns: pos (int64, 0.. over the table's files in byte order of their paths), then the table's
    columns as trimmed text, empty = null; an absent optional table has no rows. Raises InputError.
    """
    found = {table.name: table_files(folder, table) for table in SOURCE_TABLES}
    return {
        table.name: _stage(table, found[table.name], stage / f"{table.name}.parquet")
        for table in SOURCE_TABLES
    }


def table_files(folder: Path, table: SourceTable) -> list[Path]:
    """Return the files of one table in byte order of their paths; empty for an absent optional table."""
    if not folder.is_dir():
        raise InputError(f"找不到平台数据文件夹，请核对路径：`{folder}`")
    entries = [entry for entry in sorted(folder.iterdir(), key=os.fsencode) if _visible(entry)]
    names = (table.name, table.synonym)
    hits = [entry for entry in entries if entry.name.casefold().split(".")[0] in names]
    if len(hits) > 1:
        listed = "、".join(f"`{hit.name}`" for hit in hits)
        raise InputError(f"`{folder}` 中{table.name_zh}有多份，请只留一份或放进同一个文件夹：{listed}")
    if not hits:
        if not table.needed:
            return []
        there = "、".join(f"`{entry.name}`" for entry in entries[:20]) or "（空）"
        raise InputError(
            f"`{folder}` 中缺少{table.name_zh}，应有 `{table.name}.csv`、`{table.name}.parquet` 或文件夹 "
            f"`{table.name}/`（也可命名为 `{table.synonym}`），请补上后重试，现有：{there}"
        )
    files = [hits[0]]
    if hits[0].is_dir():
        files = sorted((file for file in hits[0].rglob("*") if file.is_file()), key=os.fsencode)
        files = [file for file in files if _visible(file)]
    for file in files:
        if file.suffix.casefold() not in (".csv", ".parquet"):
            raise InputError(f"{table.name_zh}只能是 .csv 或 .parquet，请另存后重试：`{file}`")
    if not files:
        raise InputError(f"{table.name_zh}的文件夹里没有 .csv 或 .parquet，请放入数据：`{hits[0]}`")
    return files


def _visible(entry: Path) -> bool:
    return not entry.name.startswith((".", "_"))


def _stage(table: SourceTable, files: list[Path], target: Path) -> int:
    rows = 0
    with pq.ParquetWriter(target, table.schema) as writer:
        for file in files:
            read = csv_batches if file.suffix.casefold() == ".csv" else _parquet_batches
            for batch in read(file, table.must, table.columns, table.name_zh):
                writer.write_table(_text_rows(table, batch, rows))
                rows += batch.num_rows
    return rows


def _text_rows(table: SourceTable, batch: pa.RecordBatch, first: int) -> pa.Table:
    columns = [pa.array(np.arange(first, first + batch.num_rows, dtype=np.int64))]
    for name in table.columns:
        if name not in batch.schema.names:
            columns.append(pa.nulls(batch.num_rows, pa.string()))
            continue
        text = pc.utf8_trim(batch.column(name), characters=BLANKS)
        columns.append(pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text))
    return pa.table(columns, schema=table.schema)


def _parquet_batches(
    path: Path, must: tuple[str, ...], wanted: tuple[str, ...], name_zh: str
) -> Iterator[pa.RecordBatch]:
    """Yield the wanted columns of one Parquet file as text, in row order."""
    try:
        file = pq.ParquetFile(path, thrift_string_size_limit=1 << 26, thrift_container_size_limit=1 << 22)
    except (pa.ArrowException, OSError) as problem:
        raise InputError(f"{name_zh}文件不是可读的 Parquet，请重新导出：`{path}`") from problem
    with file:
        _refuse_forged(path, file.metadata)
        picked = pick_columns(path, file.schema_arrow.names, must, wanted, name_zh)
        try:
            for batch in file.iter_batches(batch_size=131_072, columns=list(picked.values())):
                texts = [_as_text(batch.column(original)) for original in picked.values()]
                yield pa.RecordBatch.from_arrays(texts, names=list(picked))
        except (pa.ArrowException, OSError) as problem:
            raise InputError(f"{name_zh}文件损坏或有不能当作文本的列，请重新导出：`{path}`") from problem


def _as_text(column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return pc.cast(column, pa.string())


def _refuse_forged(path: Path, metadata: pq.FileMetaData) -> None:
    size = path.stat().st_size
    groups = min(metadata.num_row_groups, MOST_ROW_GROUPS + 1)
    claimed = sum(metadata.row_group(index).total_byte_size for index in range(groups))
    if metadata.num_rows > max(ROWS_UNCHECKED, size):
        raise InputError(
            f"`{path}` 自称的行数与文件大小不符，请重新导出：{metadata.num_rows} 行，{size} 字节"
        )
    if claimed > max(BYTES_UNCHECKED, MOST_EXPANSION * size) or groups > MOST_ROW_GROUPS:
        raise InputError(f"`{path}` 解压后过大，请重新导出：{claimed} 字节，文件 {size} 字节")
