"""Special case review (特例单议) from finished runs: which cases may be applied for, which a decision may name."""

from __future__ import annotations

import datetime as dt
import json
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa

from pipeline.decide import Review, register_review
from pipeline.decision_list import Known
from pipeline.errors import ConfigurationError, InputError, UsageMistake
from pipeline.findings import BY_CODE
from pipeline.query import engine, keep, parquet_view, table
from pipeline.region import FOREVER, Region
from pipeline.review_workbook import Title, write_applications, write_notice
from pipeline.schemes import schemes_of
from pipeline.terms import RULE_UNIT, in_force, scaled
from pipeline.words import PAID_DOORS
from pipeline.yardstick import period_days

_DAY = dt.timedelta(days=1)
RUN_TABLES = ("scored", "validated", "case_payment", "findings")
FUND_TERMS = pa.schema(
    [("valid_from", pa.date32()), ("valid_to", pa.date32()), ("fund_method", pa.string()), ("fund_of", pa.string()),
     ("negative_kept", pa.bool_()), ("separate_share_e4", pa.int64())]
)  # fmt: skip
BENEFITS = pa.schema(
    [("valid_from", pa.date32()), ("insurance_type", pa.string()), ("level", pa.string()), ("benefit_e4", pa.int64())]
)  # fmt: skip
HOSPITAL_LEVELS = pa.schema(
    [
        ("hospital_id", pa.string()),
        ("valid_from", pa.date32()),
        ("valid_to", pa.date32()),
        ("level", pa.string()),
    ]
)
# Every current run of a region, as far as it tells something of the cases asked for.
KNOWN = """
    SELECT c.case_id, c.door, c.code, s.reverses IS NOT NULL AS is_reversal, b.case_id IS NOT NULL AS is_reversed
    FROM case_payment c
    LEFT JOIN (SELECT input_row, reverses FROM scored WHERE reverses IS NOT NULL) s USING (input_row)
    LEFT JOIN (SELECT DISTINCT reverses AS case_id FROM scored WHERE reverses IS NOT NULL) b USING (case_id)
    WHERE c.case_id IN (SELECT case_id FROM asked)
    ORDER BY c.door <> 'paid', c.input_row
"""


def manifest_of(folder: Path) -> dict[str, Any]:
    """The manifest of a finished run. Raises UsageMistake where the folder is none, InputError where it is damaged."""
    try:
        manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageMistake(
            f"不是已完成的批次：{folder} 里没有 manifest.json；请给出 out/‹地区›/‹结算期›/‹批次› 文件夹"
        ) from error
    except (OSError, ValueError) as error:
        raise InputError(
            f"已有成果读不出来：{folder / 'manifest.json'}（{type(error).__name__}）；请重新运行"
        ) from error
    return manifest


def current_run(out: Path, region: str, period: str) -> Path:
    """The folder of the run that counts for a period. Raises UsageMistake where there is none."""
    pointer = out / region / period / "current"
    if not pointer.is_file():
        raise UsageMistake(
            f"没有批次：{out} 下没有 `{region}` 在 {period} 的成果；请先运行 `drgdip run`，或用 --runs（没有它的命令用 --out）指明位置"
        )
    return pointer.parent / pointer.read_text(encoding="utf-8").strip()


def candidates(folder: Path, region: Region) -> pl.DataFrame:
    """Every case of a finished run that a hospital may apply for, the most money at stake first.

    Columns: see `candidates.sql`; fen, `over_e2` in hundredths, `reasons` in Chinese, `held` for cases that wait for
    a decision. Raises UsageMistake where the folder is no run of this region, ConfigurationError where the pack has
    no `review`, InputError for damaged files.
    """
    manifest = manifest_of(folder)
    if manifest["region"] != region.pack.name:
        raise UsageMistake(
            f"批次与地区不符：{folder} 属于 `{manifest['region']}`，给出的地区是 `{region.pack.name}`；请更正"
        )
    if not region.pack.review:
        raise ConfigurationError(
            f"地区参数没有特例单议的条件与限额：{region.folder / 'region.yaml'}；请补 review"
        )
    with (
        _readable(folder),
        tempfile.TemporaryDirectory(prefix="drgdip-") as spill,
        engine(Path(spill)) as con,
    ):
        for name in RUN_TABLES:
            parquet_view(con, name, [folder / f"{name}.parquet"])
        register_review(con, Review(tuple(region.pack.review)))
        _register_fund(con, region)
        keep(con, "review/candidate_cases", pricing_by=manifest["pricing_by"])
        con.execute("CREATE VIEW reviewable AS FROM candidate_cases")
        keep(con, "review/conditions_met")
        return pl.DataFrame(table(con, "review/candidates"))


def export_applications(
    folder: Path, region: Region, out: Path, hospital_id: str | None = None
) -> tuple[int, Path]:
    """The application workbook of a run at `out`, and its CSV twin; how many cases, and the twin's path.

    Raises as `candidates`, UsageMistake for a hospital that the pack does not know or nobody may apply.
    """
    names = {one.hospital_id: one.name for one in region.hospitals}
    if hospital_id is not None and hospital_id not in names:
        raise UsageMistake(
            f"医院不认识：`{hospital_id}` 不在 {region.folder / 'hospitals.csv'} 中；请核对编号"
        )
    cases = candidates(folder, region)
    if hospital_id is not None:
        cases = cases.filter(pl.col("hospital_id") == hospital_id)
    if not cases.height:
        raise UsageMistake(f"没有可申请特例单议的病例：{folder}；请核对批次、医院与地区参数的 review")
    groups = {code: name for scheme in schemes_of(region).values() for code, name in scheme.names.items()}
    named = cases.with_columns(
        pl.col("insurance_type").replace(region.pack.insurance_types).alias("insurance_name"),
        pl.col("group_code").replace_strict(groups, default="", return_dtype=pl.String).alias("group_name"),
    )
    return cases.height, write_applications(out, _title(manifest_of(folder), region), named, names)


def export_notice(folder: Path, region: Region, out: Path) -> tuple[int, Path]:
    """The publication table of a run at `out`, and its CSV twin; how many decisions, and the twin's path.

    Raises UsageMistake where the run met no decision.
    """
    manifest = manifest_of(folder)
    if "review_outcome.parquet" not in manifest["files"]:
        raise UsageMistake(
            f"批次没有特例单议的决定：{folder}；请先 `drgdip review import`，再重新运行 {manifest['period']}"
        )
    with (
        _readable(folder),
        tempfile.TemporaryDirectory(prefix="drgdip-") as spill,
        engine(Path(spill)) as con,
    ):
        for name in ("review_outcome", "review_quota"):
            parquet_view(con, name, [folder / f"{name}.parquet"])
        outcome, quota = (
            pl.DataFrame(con.table(name).to_arrow_table()) for name in ("review_outcome", "review_quota")
        )
    names = {one.hospital_id: one.name for one in region.hospitals}
    return outcome.height, write_notice(out, _title(manifest, region), outcome, quota, names)


def _title(manifest: dict[str, Any], region: Region) -> Title:
    year, _, month = manifest["period"].partition("-")
    last = period_days(manifest["period"])[1] if month else dt.date(int(year), 12, 31)
    created = dt.datetime.combine(last, dt.time())
    return Title(region.pack.title, manifest["period"], manifest["run"], region.pack.kind, created)


@contextmanager
def _readable(folder: Path) -> Iterator[None]:
    try:
        yield
    except (duckdb.IOException, duckdb.InvalidInputException, duckdb.BinderException) as error:
        raise InputError(
            f"已有成果读不出来：{folder}（{type(error).__name__}）；请移走该文件夹后重新运行 `drgdip run`"
        ) from error


def _register_fund(con: duckdb.DuckDBPyConnection, region: Region) -> None:
    """From S to the fund, by dates: `fund_terms`, `benefits`, and the levels that benefits ask for."""
    pack = region.pack
    entries = (*pack.fund_share, *pack.separate_items)
    days = sorted({entry.from_ for entry in entries} | {entry.to + _DAY for entry in entries if entry.to})
    terms, benefits = [], []
    for day, last in zip(days, [*(after - _DAY for after in days[1:]), FOREVER], strict=True):
        share, separate = in_force(pack.fund_share, day), in_force(pack.separate_items, day)
        if share is None:
            continue
        terms.append({
            "valid_from": day, "valid_to": last,
            "fund_method": share.method, "fund_of": share.of, "negative_kept": share.negative == "keep",
            "separate_share_e4": None if separate is None else scaled(separate.share, RULE_UNIT),
        })  # fmt: skip
        for insurance_type in pack.insurance_types:
            for level in pack.levels:
                if (benefit := share.benefit_of(insurance_type, level)) is not None:
                    benefits.append({"valid_from": day, "insurance_type": insurance_type, "level": level,
                                     "benefit_e4": scaled(benefit, RULE_UNIT)})  # fmt: skip
    levels = [
        {"hospital_id": one.hospital_id, "valid_from": one.from_, "valid_to": one.to, "level": one.level}
        for one in region.hospitals
    ]
    con.register("fund_terms", pa.Table.from_pylist(terms, FUND_TERMS))
    con.register("benefits", pa.Table.from_pylist(benefits, BENEFITS))
    con.register("hospital_levels", pa.Table.from_pylist(levels, HOSPITAL_LEVELS))


def known_cases(out: Path, region: str, case_ids: Collection[str]) -> dict[str, Known]:
    """What the current runs of a region know of these cases; a case that only another region knows has that obstacle.

    A case may stand in several months (held in one, paid in the next): one that may be reviewed counts before others.
    """
    known = _known_in(out / region, case_ids)
    strangers = [case_id for case_id in case_ids if case_id not in known]
    others = (
        sorted(path.name for path in out.iterdir() if path.is_dir()) if out.is_dir() and strangers else []
    )
    for other in others:
        if other != region:
            for case_id, one in _known_in(out / other, strangers).items():
                known.setdefault(
                    case_id, Known(one.period, f"属于地区 `{other}`（{one.period}），不是 `{region}`")
                )
    return known


def _known_in(home: Path, case_ids: Collection[str]) -> dict[str, Known]:
    known: dict[str, Known] = {}
    asked = pa.table({"case_id": pa.array(sorted(case_ids), pa.string())})
    for pointer in sorted(home.glob("*/current"), reverse=True):
        folder = pointer.parent / pointer.read_text(encoding="utf-8").strip()
        if not (folder / "case_payment.parquet").is_file():
            continue
        with (
            _readable(folder),
            tempfile.TemporaryDirectory(prefix="drgdip-") as spill,
            engine(Path(spill)) as con,
        ):
            con.register("asked", asked)
            for name in ("case_payment", "scored"):
                parquet_view(con, name, [folder / f"{name}.parquet"])
            found = con.sql(KNOWN).to_arrow_table().to_pylist()
        for row in found:
            one = Known(pointer.parent.name, _obstacle(row))
            if known.setdefault(row["case_id"], one).obstacle and not one.obstacle:
                known[row["case_id"]] = one
    return known


def _obstacle(row: dict[str, Any]) -> str | None:
    """Why a row of a run cannot be reviewed, if so."""
    if row["is_reversal"]:
        return "是冲销记录"
    if row["is_reversed"]:
        return "已被冲销"
    if row["door"] == "paid" or row["code"] == "case_review":
        return None
    title = BY_CODE[row["code"]].title if row["code"] in BY_CODE else "原因不明"
    return f"本期已{PAID_DOORS[row['door']]}（{title}）"
