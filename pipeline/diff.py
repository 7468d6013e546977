"""Compare two runs of a region: which hospitals, which groups, which cases, and why. Nothing is computed anew.

Every case whose result differs has exactly one main reason (`pipeline/sql/diff/changed.sql`); the sums by reason are
proved to be the difference of the two runs to the fen.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pipeline.deliver import STATUSES
from pipeline.diff_files import write_difference
from pipeline.diff_words import Difference
from pipeline.errors import AuditBroken, InputError, UsageMistake
from pipeline.identity import sha256_of
from pipeline.ledger_commands import reading
from pipeline.query import drop, engine, keep, parquet_view, rows, statement, view
from pipeline.region import load_region
from pipeline.runfolder import MANIFEST
from pipeline.schemes import schemes_of
from pipeline.states import find_run
from pipeline.validate import VALIDATED_SCHEMA
from pipeline.words import CLASS_NAMES, FAMILY_NAMES

SIDES = ("before", "after")
TABLES = ("scored", "case_payment", "rules_used", "hospital_payment", "validated")
TOTALS = ("cases", "standard_fen", "fund_fen")
# What is made from the rest of a manifest, or is compared in words of its own.
TOLD = (
    "run", "region", "title", "period", "pack_version", "pack_sha256", "code_version", "inputs", "schemes", "weights",
    "standing", "totals", "audits", "files",
)  # fmt: skip
CLASSES = CLASS_NAMES | {"reversal": "冲销", "special_review": "特例单议"}
FAMILIES = FAMILY_NAMES | {"special_by_item": "特例单议按项目", "special_adjusted": "特例单议核定"}
MACROS = r"""
CREATE MACRO yuan(fen) AS CASE WHEN fen < 0 THEN '-' ELSE '' END || (abs(fen) // 100) || '.' || lpad((abs(fen) % 100)::VARCHAR, 2, '0');
CREATE MACRO plain(number) AS regexp_replace(number::VARCHAR, '\.?0+$', '');
CREATE MACRO step(title, b, a) AS
    CASE WHEN b IS DISTINCT FROM a AND b IS NOT NULL AND a IS NOT NULL THEN title || ' ' || b || ' → ' || a END;
"""


def diff_runs(
    region: str, first: str, second: str, out: Path, ledger_url: str | None = None, to: Path | None = None,
    memory_limit: str = "2GiB",
) -> Difference:  # fmt: skip
    """Compare run `second` with run `first`, given by id or its beginning; with `to` also as a workbook.

    Raises UsageMistake for an unknown run or a year's, InputError where a run folder is gone or altered, AuditBroken
    where the reasons do not add up to the difference.
    """
    with reading(region, out, ledger_url) as ledger:
        entered = [find_run(ledger, run_id) for run_id in (first, second)]
        home = out / ledger.region
    pack = load_region(region)
    folders = [home / row["folder"] for row in entered]
    manifests = [_proved(folder, row) for folder, row in zip(folders, entered, strict=True)]
    names = {group: title for scheme in schemes_of(pack).values() for group, title in scheme.names.items()}
    with (
        tempfile.TemporaryDirectory(prefix="drgdip-") as spill,
        engine(Path(spill), memory_limit) as con,
    ):
        _register(con, folders, manifests, names)
        compare(con)
        _prove(con)
        found = _difference(con, manifests, pack.pack.kind)
        if to is None:
            return found
        view(con, "diff/data_columns")
        files = write_difference(con, found, to)
    return replace(found, files=[str(file) for file in files])


def compare(con: duckdb.DuckDBPyConnection) -> None:
    """From the tables of two runs the cases that differ, each with its reason, and their sums.

    Raises InputError where a run was made by a program whose tables had other columns.
    """
    try:
        for name in ("sides", "rules"):
            view(con, f"diff/{name}")
        for name in ("moved", "inputs", "data_differs", "changed"):
            keep(con, f"diff/{name}")
    except duckdb.BinderException as error:
        raise InputError(
            "两个批次的结果表列不同，比不了：其中一个是较早的程序算的；请用现在的程序把那一期重新 `drgdip run` 再比较"
        ) from error
    drop(con, "moved")  # it stands in `changed`
    for name in ("by_reason", "attributed", "by_hospital", "by_group"):
        keep(con, f"diff/{name}")


def _proved(folder: Path, entered: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest of a run, itself and the tables compared proved against the ledger."""
    if entered["kind"] != "month":
        raise UsageMistake(f"批次 {entered['run_id']} 是年度清算，diff 只比较月度批次；请换一个批次号")
    path = folder / MANIFEST
    if not path.is_file():
        raise InputError(f"批次 {entered['run_id']} 的成果不见了：{folder}；请从备份恢复，或重新运行该期")
    if sha256_of(path) != entered["manifest_sha256"]:
        raise InputError(f"批次 {entered['run_id']} 与账本所记不同：{path}；请从备份恢复")
    manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    for name in (f"{table}.parquet" for table in TABLES):
        file = folder / name
        found = sha256_of(file) if file.is_file() else "（不存在）"
        if found != manifest["files"][name]:
            raise InputError(
                f"已有成果被改动：{file}，应为 sha256 {manifest['files'][name][:12]}…，实为 {found[:12]}；请从备份恢复"
            )
    return manifest


def _register(
    con: duckdb.DuckDBPyConnection, folders: list[Path], manifests: list[dict[str, Any]], names: Mapping[str, str]
) -> None:  # fmt: skip
    """Every table of the two runs with its `side`; the difference of the manifests' totals; names of groups."""
    con.execute(MACROS)
    for name, words in (("class_word", CLASSES), ("family_word", FAMILIES), ("status_word", STATUSES)):
        con.execute(f"CREATE MACRO {name}(code) AS coalesce({_mapping(words)}[code], code)")
    # A column that came into the contract after a run was made is null in it.
    con.register("validated_columns", VALIDATED_SCHEMA.empty_table())
    for table in TABLES:
        for side, folder in zip(SIDES, folders, strict=True):
            parquet_view(con, f"{table}_{side}", [folder / f"{table}.parquet"])
        text = " UNION ALL BY NAME ".join(f"SELECT '{side}' AS side, * FROM {table}_{side}" for side in SIDES)
        if table == "validated":
            text += " UNION ALL BY NAME SELECT '' AS side, * FROM validated_columns"
        con.execute(f"CREATE VIEW {table} AS {text}")
    before, after = (manifest["totals"] for manifest in manifests)
    con.register("manifest_difference", pa.table({name: [after[name] - before[name]] for name in TOTALS}))
    con.register("group_names", pa.table({
        "group_code": pa.array(list(names), pa.string()), "name": pa.array(list(names.values()), pa.string()),
    }))  # fmt: skip


def _mapping(words: Mapping[str, str]) -> str:
    """A SQL literal of our own words."""
    return "MAP {" + ", ".join(f"'{code}': '{word}'" for code, word in words.items()) + "}"


def _prove(con: duckdb.DuckDBPyConnection) -> None:
    text = statement("diff/gaps")
    broken = con.sql(text).limit(1).fetchall()
    if broken:
        subject, expected, found = broken[0]
        title = text.splitlines()[0].removeprefix("-- ").strip()
        raise AuditBroken(
            f"核对不平：{title}；{subject} 应为 {expected}，实为 {found}，相差 {found - expected}；请把本消息交给开发者"
        )


def _difference(con: duckdb.DuckDBPyConnection, manifests: list[dict[str, Any]], kind: str) -> Difference:
    before, after = manifests
    sums = {row.pop("side"): row for row in rows(con, statement("diff/totals"))}
    totals = {
        name: {"before": was, "after": sums["after"][name], "difference": sums["after"][name] - was}
        for name, was in sums["before"].items()
    }
    by_reason, by_hospital, by_group = (
        rows(con, f"FROM {name}") for name in ("by_reason", "by_hospital", "by_group")
    )
    return Difference(
        after["title"], kind, _described(before), _described(after), before["period"] == after["period"],
        made_from(before, after), totals, sum(row["changed"] for row in by_reason), by_reason, by_hospital, by_group,
        [],
    )  # fmt: skip


def _described(manifest: Mapping[str, Any]) -> dict[str, Any]:
    return {name: manifest[name] for name in ("run", "period", "pack_version", "code_version")}


def made_from(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """What two runs were made from and does not agree: inputs, pack, schemes, weights, code, standing, other.

    An input is the same where its content is; one whose content differs under the same name is `altered`.
    """
    old, new = ({one["sha256"]: one["name"] for one in manifest["inputs"]} for manifest in (before, after))
    gone = sorted(name for digest, name in old.items() if digest not in new)
    came = sorted(name for digest, name in new.items() if digest not in old)
    altered = sorted(set(gone) & set(came))
    published = [manifest["standing"]["published"] for manifest in (before, after)]
    return {
        "inputs": {
            "added": [name for name in came if name not in altered],
            "removed": [name for name in gone if name not in altered],
            "altered": altered,
        },
        "pack": _unlike([manifest["pack_version"], manifest["pack_sha256"]] for manifest in (before, after)),
        "schemes": _unlike(
            [[one["name"], one["sha256"]] for one in manifest["schemes"]] for manifest in (before, after)
        ),
        "weights": _unlike(
            [f"{one['file']}（{one['in_force_from']} 起）" for one in manifest.get("weights", [])]
            for manifest in (before, after)
        ),
        "code": _unlike(manifest["code_version"] for manifest in (before, after)),
        "standing": {
            "same": before["standing"]["sha256"] == after["standing"]["sha256"],
            "months": sorted(
                month for month in published[0].keys() | published[1].keys()
                if published[0].get(month) != published[1].get(month)
            ),
        },
        "other": sorted(
            name for name in before.keys() | after.keys() if name not in TOLD and before.get(name) != after.get(name)
        ),
    }  # fmt: skip


def _unlike(both: Any) -> dict[str, Any] | None:
    """Before and after where they differ, else None."""
    before, after = both
    return None if before == after else {"before": before, "after": after}
