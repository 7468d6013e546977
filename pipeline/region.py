"""A region pack on disk: dated, sourced parameters of one pool (统筹区). Closed format, exact decimals.

`region.yaml` holds lists of dated entries; each holds from its `from` until the next begins, or to its own
`to`. Tables with many rows stand beside it as CSV. No other module sees this tree: see `terms.py`.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from importlib.resources import files as package_files
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from pipeline.accounts import Account, read_accounts
from pipeline.alliance_tables import AllianceTables, read_alliance_tables
from pipeline.assessments import Assessment, read_assessments
from pipeline.budgets import BUDGETS_FILE, Budget, read_budgets
from pipeline.entries import MOST_SCORE, MOST_WEIGHT, Dated
from pipeline.errors import ConfigurationError
from pipeline.group_tables import GroupTables, read_group_tables
from pipeline.hospital_budgets import HOSPITAL_BUDGETS_FILE, HospitalBudget, read_hospital_budgets
from pipeline.pack import Pack
from pipeline.pack_pricing import CATALOGUE
from pipeline.period_amounts import PERIOD_AMOUNTS_FILE, PeriodAmount, read_period_amounts
from pipeline.region_tables import FOREVER as FOREVER
from pipeline.region_tables import Hospital as Hospital
from pipeline.region_tables import Membership, read_hospitals, read_memberships


@dataclass(frozen=True)
class Region:
    """A pack with its tables, read but not yet resolved to dates."""

    folder: Path
    pack: Pack
    hospitals: tuple[Hospital, ...]
    tables: GroupTables
    period_amounts: tuple[PeriodAmount, ...]  # audit deductions, revolving offsets, advances
    accounts: tuple[Account, ...]  # who pays and who receives, dated
    memberships: tuple[Membership, ...]  # which hospital belongs to which alliance (医共体), dated
    alliance_tables: AllianceTables
    budgets: tuple[Budget, ...]  # every version, in the order of the file
    hospital_budgets: tuple[HospitalBudget, ...]
    assessments: tuple[Assessment, ...]  # of the years' clearing (年度清算)
    sha256: str

    @property
    def spoken(self) -> str:
        """How a command line calls it, the same pack again: a name of ours, else its folder."""
        ours = self.folder == config_root() / "regions" / self.pack.name
        return self.pack.name if ours else f"{self.folder}/"


def amounts_of_year(region: Region, year: str) -> list[PeriodAmount]:
    """Every period amount of a year's months, in the order of the file."""
    return [one for one in region.period_amounts if one.month.startswith(f"{year}-")]


def config_root() -> Path:
    """The folder of region packs: inside the installed package, or the checkout's."""
    inside = Path(str(package_files("pipeline"))) / "configs"
    return inside if inside.is_dir() else inside.parent.parent / "configs"


def region_names(root: Path | None = None) -> list[str]:
    return sorted(path.parent.name for path in ((root or config_root()) / "regions").glob("*/region.yaml"))


def load_region(name: str, root: Path | None = None) -> Region:
    """Read a pack by name or by path. Raises ConfigurationError naming file, item, expected and found."""
    folder = Path(name) if "/" in name else (root or config_root()) / "regions" / name
    path = folder / "region.yaml"
    if not path.is_file():
        known = "、".join(region_names(root)) or "（无）"
        given = Path(name)
        meant = given.parent if given.name == path.name else given
        if (meant / path.name).is_file():
            raise ConfigurationError(
                f"地区不存在：`{name}`；现有地区：{known}；如指这个文件夹，请写作 {meant}/"
            )
        raise ConfigurationError(f"地区不存在：`{name}`；现有地区：{known}；也可给出地区文件夹的路径")
    pack = _parse(path)
    stop_on_gaps(path, pack)
    coefficients = [
        file for entry in pack.coefficients for file in (entry.by_group_level, entry.by_group_hospital)
    ]
    tables = read_group_tables(
        folder, pack.digits.weight, pack.digits.coefficient,
        [entry.file for entry in pack.weights if entry.file != CATALOGUE],
        [entry.file for entry in pack.standards],
        [file for file in coefficients if file not in (None, CATALOGUE)],
        MOST_SCORE if pack.kind == "dip" else MOST_WEIGHT,
    )  # fmt: skip
    hospitals = read_hospitals(folder / "hospitals.csv")
    hospital_ids = {hospital.hospital_id for hospital in hospitals}
    memberships = read_memberships(folder / "alliances.csv", hospitals)
    return Region(
        folder, pack, hospitals, tables,
        read_period_amounts(folder / PERIOD_AMOUNTS_FILE, hospital_ids, pack.insurance_types),
        read_accounts(folder, hospital_ids | set(pack.insurance_types)),
        memberships, read_alliance_tables(folder, memberships, pack.insurance_types),
        read_budgets(folder / BUDGETS_FILE, pack.insurance_types),
        read_hospital_budgets(folder / HOSPITAL_BUDGETS_FILE, hospital_ids, pack.insurance_types),
        read_assessments(folder / "assessments.csv", hospitals, list(pack.insurance_types)), _folder_hash(folder),
    )  # fmt: skip


def budget_of(region: Region, insurance_type: str, year: int, budget_line: str = "") -> Budget | None:
    """The version that counts: the highest; None where the pack has no budget of that pool and year."""
    pool = (insurance_type, budget_line)
    versions = [one for one in region.budgets if (one.pool, one.year) == (pool, year)]
    return max(versions, key=lambda one: one.version, default=None)


def budget_lines(region: Region, year: int) -> dict[str, bool]:
    """The budget lines (预算单列) that `scope` names on any day of a year, and whether all their cases are paid by item."""
    found: dict[str, bool] = {}
    scopes = region.pack.scope
    ends = [entry.to or after.from_ - dt.timedelta(days=1) for entry, after in pairwise(scopes)]
    ends += [entry.to or FOREVER for entry in scopes[-1:]]
    for entry, end in zip(scopes, ends, strict=True):
        for rule in entry.rules if entry.from_.year <= year <= end.year else ():
            if rule.budget_line and rule.treatment != "exclude":
                found[rule.budget_line] = found.get(rule.budget_line, True) and rule.treatment == "by_item"
    return found


def budgets_of(region: Region, year: int) -> list[Budget]:
    """The versions that count, by insurance type in the pack's order, each with its budget lines in that of the file."""
    pools = dict.fromkeys(one.pool for one in region.budgets if one.year == year)
    order = list(region.pack.insurance_types)
    found = [budget_of(region, kind, year, line) for kind, line in pools]
    held = [one for one in found if one is not None]
    return sorted(held, key=lambda one: (order.index(one.insurance_type), one.budget_line != ""))


class _ExactLoader(yaml.SafeLoader):
    """YAML whose numbers with a point are exact decimals and whose repeated keys are an error."""


class _QuickLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The same by the parser written in C, which PyYAML has in its wheels: ten times as fast."""


# The parser in C falls over texts that nest tens of thousands deep; each level takes one of these at least.
_OPENERS, _MOST_OPENERS = "[{-?:", 5_000


def _mapping(loader: _ExactLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [str(loader.construct_object(key)) for key, _ in node.value]
    for key in keys:
        if keys.count(key) > 1:
            raise yaml.constructor.ConstructorError(None, None, f"重复的项 `{key}`", node.start_mark)
    return loader.construct_mapping(node, deep=True)


def _number(loader: _ExactLoader, node: yaml.ScalarNode) -> Decimal | int:
    """A plain decimal number. YAML would read `010` as 8, `69:00` as 4140 and `.inf` as a number."""
    if not re.fullmatch(r"[-+]?(0|[1-9][0-9]*)?(\.[0-9]*)?", node.value) or not re.search(
        "[0-9]", node.value
    ):
        raise yaml.constructor.ConstructorError(None, None, f"不是十进制数 `{node.value}`", node.start_mark)
    return Decimal(node.value) if "." in node.value else int(node.value)


def _day(loader: _ExactLoader, node: yaml.ScalarNode) -> object:
    try:
        return loader.construct_yaml_timestamp(node)
    except ValueError as error:
        raise yaml.constructor.ConstructorError(
            None, None, f"没有这一天 `{node.value}`", node.start_mark
        ) from error


for _loader in (_ExactLoader, _QuickLoader):
    _loader.add_constructor("tag:yaml.org,2002:float", _number)
    _loader.add_constructor("tag:yaml.org,2002:int", _number)
    _loader.add_constructor("tag:yaml.org,2002:timestamp", _day)
    _loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def exact_yaml(text: str) -> Any:
    """YAML with exact decimals. Raises YAMLError, RecursionError; the loaders are SafeLoaders but for the numbers."""
    quick = sum(map(text.count, _OPENERS)) <= _MOST_OPENERS
    return yaml.load(text, _QuickLoader if quick else _ExactLoader)


def read_yaml(path: Path) -> Any:
    """A file of parameters with exact decimals. Raises ConfigurationError naming line and fault."""
    try:
        return exact_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, RecursionError, yaml.YAMLError) as error:
        mark = getattr(error, "problem_mark", None)
        detail = (f"第 {mark.line + 1} 行：" if mark else "") + str(
            getattr(error, "problem", None) or type(error).__name__
        )
        raise ConfigurationError(f"地区参数读不出来：{path}（{detail}）；请检查文件格式") from error


def _parse(path: Path) -> Pack:
    try:
        return Pack.model_validate(read_yaml(path))
    except ValidationError as error:
        raise ConfigurationError(
            f"地区参数有误：{path}，{first_mistake(error)}；请对照 docs/region.md 更正"
        ) from error


# What pydantic says in English, by its error type; `{}` takes the limit.
_REASONS = {
    "extra_forbidden": "不认识的项", "missing": "缺少此项", "greater_than": "须大于 {}", "greater_than_equal": "不得小于 {}",
    "less_than_equal": "超出可精确计算的上限 {}", "decimal_max_places": "小数位数超出上限 {} 位",
    "decimal_parsing": "须为十进制数", "decimal_type": "须为十进制数", "int_parsing": "须为整数", "int_type": "须为整数",
    "bool_parsing": "须为 true 或 false", "bool_type": "须为 true 或 false", "string_type": "须为文字",
    "string_too_short": "至少写 {} 个字", "literal_error": "只能是 {}", "too_short": "至少要有 {} 项",
    "date_type": "须为日期，如 2025-01-01", "date_from_datetime_parsing": "须为日期，如 2025-01-01",
    "date_from_datetime_inexact": "须为日期，如 2025-01-01", "list_type": "须为列表", "dict_type": "须为键与值的表",
    "model_type": "须为键与值的表",
}  # fmt: skip
KINDS = ("decimal_type", "dict_type", "list_type", "model_type")
WAY = re.compile(
    r"(function-\w+|dict|list)\[|(decimal|Band|model)$"
)  # how pydantic names the ways of a union
_LIMITS = ("gt", "ge", "le", "decimal_places", "min_length", "expected")


def first_mistake(error: ValidationError) -> str:
    """The first thing that is wrong, in Chinese: the key, why, and what was found."""
    found_all = error.errors()
    # A mistyped key is both unknown and missing: the unknown one says what was typed.
    # Where a key takes a number or a table, the way that was not meant complains about the kind of value.
    found_all.sort(key=lambda one: (one["type"] != "extra_forbidden", one["type"] in KINDS))
    first = found_all[0]
    key = ".".join(str(part) for part in first["loc"] if not WAY.match(str(part))) or "（全文）"
    context = first.get("ctx", {})
    if first["type"] == "value_error":
        return f"项 `{key}`：{context['error']}"
    limit = next((str(context[name]) for name in _LIMITS if name in context), "").replace(" or ", " 或 ")
    reason = _REASONS.get(first["type"], first["msg"]).replace("{}", limit)
    found = "" if first["type"] == "missing" else f"，实为 `{str(first['input'])[:40]}`"
    return f"项 `{key}`：{reason}{found}"


def stop_on_gaps(path: Path, pack: Pack) -> None:
    """Raise ConfigurationError where the entries of a dated list overlap or leave days out."""
    for key, entries in pack.dated.items():
        _check_dates(path, key, entries)


def _check_dates(path: Path, key: str, entries: Sequence[Dated]) -> None:
    """Entries follow each other without gap or overlap."""
    for before, after in pairwise(entries):
        if after.from_ <= before.from_ or (before.to is not None and after.from_ <= before.to):
            end = before.to or before.from_
            raise ConfigurationError(
                f"地区参数日期重叠：{path}，`{key}` 有两项同时有效（{end} 与 {after.from_} 起）；请改正起止日期"
            )
        if before.to is not None and after.from_ != before.to + dt.timedelta(days=1):
            raise ConfigurationError(
                f"地区参数日期有空档：{path}，`{key}` 在 {before.to} 之后到 {after.from_} 之前没有值；请补齐"
            )


def _folder_hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(
        path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")
    ):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(folder)}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()
