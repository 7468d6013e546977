"""A scheme on disk: a folder of tables with title, issuer, dates and the sha256 of every file.

A local scheme or the next national version is a new folder, never new code.
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
import re
from collections.abc import Sequence
from decimal import Decimal
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator


class SchemeError(Exception):
    """A scheme or code table cannot be used; the message is one Chinese sentence for the user."""


class Choices(BaseModel):
    """What public groupers settle by convention and a city may choose otherwise."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ambiguous: Literal["off", "principal", "any"] = "principal"
    main_procedure: Literal["principal", "any"] = "principal"
    ungrouped: str = "0000"
    ungrouped_by_mdc: dict[str, str] = {}


# What may break a tie between DIP core rows that are all met; the last is always the row code.
TieBreaker = Literal[
    "catalogue_order",
    "core_before_base",
    "more_procedures",
    "higher_score",
    "nearest_mean_cost",
    "class_priority",
]


class DipBlock(BaseModel):
    """What cities settle differently in a DIP catalogue. Defaults are those of the national rules."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    conservative: Literal["no_classed_procedure", "any"] = "no_classed_procedure"
    related: Literal["all", "best_partial"] = "all"
    score_scale: Decimal = Field(default=Decimal(1000), gt=0)
    tie_breakers: tuple[TieBreaker, ...] = ("more_procedures", "catalogue_order")


class Manifest(BaseModel):
    """`scheme.yaml`: who issued the scheme, from when it holds, and what its files must hash to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    kind: Literal["drg", "dip", "codes"]
    title: str
    issuer: str
    document: str
    effective_from: dt.date
    effective_to: dt.date | None = None
    source: str
    notes: list[str] = []
    choices: Choices = Choices()
    dip: DipBlock | None = None
    files: dict[str, str]

    @field_validator("dip")
    @classmethod
    def _only_in_dip_schemes(cls, block: DipBlock | None, info: ValidationInfo) -> DipBlock | None:
        if block is not None and info.data.get("kind") != "dip":
            raise ValueError("只有 kind: dip 的方案可以写 dip")
        return block


def data_root() -> Path:
    """The folder of schemes, code tables and samples: inside the installed package, or the checkout's."""
    inside = Path(str(package_files("groupers"))) / "data"
    return inside if inside.is_dir() else inside.parent.parent / "data"


def scheme_names(root: Path | None = None) -> list[str]:
    """Names of the schemes at hand, sorted."""
    return sorted(path.parent.name for path in ((root or data_root()) / "schemes").glob("*/scheme.yaml"))


def scheme_folder(name: str, root: Path | None = None) -> Path:
    """The folder of a scheme by name, or of a path to one. Raises SchemeError where there is none."""
    folder = Path(name) if "/" in name else (root or data_root()) / "schemes" / name
    if not (folder / "scheme.yaml").is_file():
        known = "、".join(scheme_names(root)) or "（无）"
        raise SchemeError(f"分组方案不存在：`{name}`；现有方案：{known}；也可给出方案文件夹的路径")
    return folder


def load_manifest(folder: Path, manifest_name: str = "scheme.yaml") -> Manifest:
    """Read a manifest in its closed form. Raises SchemeError naming the key that is wrong."""
    path = folder / manifest_name
    try:
        return Manifest.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise SchemeError(f"方案说明文件有误：{path}，项 `{key}`：{first['msg']}；请对照文档修改") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SchemeError(f"方案说明文件读不出来：{path}（{type(error).__name__}）；请检查文件") from error


def sealed_files(folder: Path, manifest_name: str = "scheme.yaml") -> tuple[Manifest, dict[str, bytes]]:
    """The manifest and the content of its files, each proved against its hash. Raises SchemeError."""
    manifest = load_manifest(folder, manifest_name)
    contents: dict[str, bytes] = {}
    for name, expected in manifest.files.items():
        try:
            content = (folder / name).read_bytes()
        except OSError as error:
            raise SchemeError(f"方案缺文件：{folder / name}；请从原方案补齐") from error
        found = hashlib.sha256(content).hexdigest()
        if found != expected:
            raise SchemeError(
                f"方案文件被改动：{folder / name}，应为 sha256 {expected[:12]}…，实为 {found[:12]}…；"
                "若是有意修改，请运行 `drgdip schemes seal` 重新登记，否则请恢复原文件"
            )
        contents[name] = content
    return manifest, contents


def seal(folder: Path, manifest_name: str = "scheme.yaml") -> int:
    """Write the hashes of the folder's CSV files into its manifest; returns how many files it sealed."""
    path = folder / manifest_name
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if not text:
        raise SchemeError(f"方案说明文件不存在：{path}；请先写好标题、发布机关与生效日期")
    # Only the listing of files is replaced: choices may stand behind it.
    rest = re.sub(r"^files:.*\n?(?:[ \t]+.*\n?|\n)*", "", text, flags=re.MULTILINE).rstrip("\n")
    names = sorted(file.name for file in folder.glob("*.csv"))
    hashes = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    listing = "".join(f"  {name}: {digest}\n" for name, digest in hashes.items())
    path.write_text(f"{rest}\nfiles:\n{listing}", encoding="utf-8")
    load_manifest(folder, manifest_name)
    return len(hashes)


def read_table(files: dict[str, bytes], name: str, columns: Sequence[str]) -> list[list[str]]:
    """Rows of a sealed CSV with exactly these columns. Raises SchemeError with file, line and what was found."""
    if name not in files:
        raise SchemeError(f"方案缺少表 `{name}`；请补齐并运行 `drgdip schemes seal`")
    table: list[list[str]] = []
    try:
        rows = csv.reader(io.StringIO(files[name].decode("utf-8"), newline=""))
        header = next(rows, [])
        if header != list(columns):
            raise SchemeError(
                f"表 `{name}` 的列应为 {','.join(columns)}，实为 {','.join(header)}；请更正表头"
            )
        for row in rows:
            if len(row) != len(columns):
                raise SchemeError(
                    f"表 `{name}` 第 {rows.line_num} 行应有 {len(columns)} 列，实有 {len(row)} 列；请更正该行"
                )
            table.append(row)
    except (UnicodeDecodeError, csv.Error) as error:
        raise SchemeError(f"表 `{name}` 读不出来（{error}）；应为 UTF-8 的 CSV，请重新导出") from error
    return table


def describe(manifest: Manifest) -> dict[str, Any]:
    """The manifest as plain values, for `schemes` and for the manifest of a run."""
    # Each kind of scheme shows its own choices only.
    return manifest.model_dump(mode="json", exclude={"files", "choices" if manifest.kind == "dip" else "dip"})
