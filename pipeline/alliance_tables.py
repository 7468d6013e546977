"""What a region pack says of its alliances (医共体) beside who belongs to them: packages, other spending, assessments.

Source: DESIGN §7 医共体. Three tables beside `alliances.csv`; each may be absent, each mistake is one sentence.
"""

from __future__ import annotations

import datetime as dt
import re
from calendar import monthrange
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from pipeline.errors import ConfigurationError
from pipeline.region_tables import Membership, numbered_csv

PACKAGES_FILE, AMOUNTS_FILE, ASSESSMENTS_FILE = (
    "alliance_packages.csv", "alliance_amounts.csv", "alliance_assessments.csv"
)  # fmt: skip
PER_CAPITA, BUDGET_SHARE = "per_capita", "budget_share"
PER_CAPITA_COLUMNS = ("insured", "per_capita_yuan", "serious_illness_yuan", "risk_reserve")
PACKAGE_COLUMNS = (
    "alliance_id", "year", "insurance_type", "form", *PER_CAPITA_COLUMNS, "budget_share", "counties", "source",
)  # fmt: skip
AMOUNT_COLUMNS = ("alliance_id", "month", "kind", "insurance_type", "amount_yuan", "document")
ASSESSMENT_COLUMNS = ("year", "alliance_id", "retention", "county", "township", "village", "source")
# Spending that uses up the package; inpatient care comes from the settled cases, never from this table.
SPENDING_KINDS = {
    "outpatient_per_head": "普通门诊按人头", "chronic_outpatient": "门诊慢特病", "bed_day": "床日",
    "out_of_county": "县域外就医", "dual_channel": "双通道药品", "tumour_outpatient": "肿瘤门诊放化疗",
    "family_doctor": "家庭医生签约", "other_deduction": "其他扣减",
}  # fmt: skip
OUTSIDERS = "outsiders"  # care for the insured of other counties: paid beside the package
AMOUNT_KIND_NAMES = {**SPENDING_KINDS, OUTSIDERS: "外来就医"}
ALLIANCE_ID = re.compile(r"[A-Za-z0-9-]{1,40}")
YEAR = re.compile(r"20[0-9]{2}")
MONTH = re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])")
COUNTY = re.compile(r"[0-9]{6}")
WHOLE = re.compile(r"[1-9][0-9]{0,8}")  # heads and parts of a split; a count below a billion
PART = re.compile(r"[0-9]{1,4}")
AMOUNT = re.compile(
    r"-?([0-9]{1,3}(,[0-9]{3}){0,3}|[0-9]{1,12})(\.[0-9]{1,2})?"
)  # below a trillion, exact in fen
PER_HEAD = re.compile(r"[0-9]{1,6}(\.[0-9]{1,2})?")
SHARE = {digits: re.compile(rf"0(\.[0-9]{{1,{digits}}})?|1(\.0{{1,{digits}}})?") for digits in (4, 6)}
SHORTEST_SOURCE = 4


@dataclass(frozen=True)
class Package:
    """The fund of an alliance for a year and insurance type.

    `per_capita`: insured × (per_capita − serious_illness) × (1 − risk reserve); `budget_share`: of the region's
    budget. `counties`: whose insured are its own; empty where no distinction is made. Shares as integers.
    """

    alliance_id: str
    year: int
    insurance_type: str
    form: str
    insured: int
    per_capita_fen: int
    serious_illness_fen: int
    risk_reserve_e4: int
    budget_share_e6: int
    counties: tuple[str, ...]


@dataclass(frozen=True)
class AllianceAmount:
    """A period's amount of a kind of spending that the pipeline does not settle itself."""

    alliance_id: str
    month: str
    kind: str
    insurance_type: str
    amount_fen: int
    document: str


@dataclass(frozen=True)
class AllianceAssessment:
    """How much of a year's surplus the alliance keeps, and in which parts it is split."""

    alliance_id: str
    year: int
    retention_e4: int
    county: int
    township: int
    village: int


@dataclass(frozen=True)
class AllianceTables:
    """The three tables of a pack."""

    packages: tuple[Package, ...] = ()
    amounts: tuple[AllianceAmount, ...] = ()
    assessments: tuple[AllianceAssessment, ...] = ()


def read_alliance_tables(
    folder: Path, memberships: Sequence[Membership], insurance_types: Collection[str]
) -> AllianceTables:
    """The tables of a pack's folder; an absent one is empty. Raises ConfigurationError naming file and line."""
    known = {one.alliance_id for one in memberships}
    for name in sorted(known):
        if not ALLIANCE_ID.fullmatch(name):
            raise ConfigurationError(
                f"医共体表有误：{folder / 'alliances.csv'}，编号 `{name[:40]}` 要用作文件名，只能用英文字母、数字、连字符；请更正"
            )

    def common(where: str, row: dict[str, str]) -> None:
        if row["alliance_id"] not in known:
            raise ConfigurationError(
                f"{where}的医共体 `{row['alliance_id'][:40]}` 不在 alliances.csv 中；请更正"
            )
        if row.get("insurance_type", next(iter(insurance_types))) not in insurance_types:
            raise ConfigurationError(
                f"{where}的险种 `{row['insurance_type'][:20]}` 不在 insurance_types（{'、'.join(insurance_types)}）中；请更正"
            )

    packages = _read(
        folder / PACKAGES_FILE, PACKAGE_COLUMNS, "医共体打包表", common, _package,
        lambda one: (one.alliance_id, one.year, one.insurance_type),
    )  # fmt: skip
    amounts = _read(
        folder / AMOUNTS_FILE, AMOUNT_COLUMNS, "医共体支出表", common,
        lambda where, row: _amount(where, row, memberships),
        lambda one: (one.alliance_id, one.month, one.kind, one.insurance_type, one.document),
    )  # fmt: skip
    assessments = _read(
        folder / ASSESSMENTS_FILE, ASSESSMENT_COLUMNS, "医共体考核表", common, _assessment,
        lambda one: (one.alliance_id, one.year),
    )  # fmt: skip
    return AllianceTables(tuple(packages), tuple(amounts), tuple(assessments))


def members_in(memberships: Sequence[Membership], month: str) -> list[Membership]:
    """Who belongs to which alliance in a month (`2025-10`): the last day decides for the whole month."""
    year, number = int(month[:4]), int(month[5:7])
    last = dt.date(year, number, monthrange(year, number)[1])
    return [one for one in memberships if one.from_ <= last <= one.to]


Row = TypeVar("Row")


def _read(
    path: Path, columns: Sequence[str], title: str, common: Callable[[str, dict[str, str]], None],
    made: Callable[[str, dict[str, str]], Row], key: Callable[[Row], tuple[object, ...]],
) -> list[Row]:  # fmt: skip
    """The rows of a table, no key twice: a repeated amount would count twice."""
    if not path.is_file():
        return []
    found: dict[tuple[object, ...], Row] = {}
    for line, raw in numbered_csv(path, columns, closed=True):
        row = {column: raw[column].strip() for column in columns}
        where = f"{title}有误：{path} 第 {line} 行"
        common(where, row)
        if "source" in row and len(row["source"]) < SHORTEST_SOURCE:
            raise ConfigurationError(
                f"{where}的 source 至少写 {SHORTEST_SOURCE} 个字，实为 `{row['source']}`；请写明文件名、文号"
            )
        one = made(where, row)
        if key(one) in found:
            raise ConfigurationError(
                f"{where}重复：{'、'.join(map(str, key(one)))} 已出现过；请删去一行，或合并、另写文书号"
            )
        found[key(one)] = one
    return list(found.values())


def _package(where: str, row: dict[str, str]) -> Package:
    form = row["form"]
    if form not in (PER_CAPITA, BUDGET_SHARE):
        raise ConfigurationError(
            f"{where}的 form 只能是 {PER_CAPITA}（按人头）或 {BUDGET_SHARE}（按预算比例），实为 `{form[:20]}`；请更正"
        )
    asked, blank = (PER_CAPITA_COLUMNS, ("budget_share",)) if form == PER_CAPITA else (
        ("budget_share",), PER_CAPITA_COLUMNS
    )  # fmt: skip
    for column in blank:
        if row[column]:
            raise ConfigurationError(
                f"{where}的 form 为 {form}，不用 {column}，实为 `{row[column][:20]}`；请删去"
            )
    for column in asked:
        if not row[column]:
            raise ConfigurationError(f"{where}的 form 为 {form}，缺 {column}；没有的写 0，请补齐")
    counties = tuple(code.strip() for code in row["counties"].split(";")) if row["counties"] else ()
    if len(set(counties)) < len(counties) or not all(COUNTY.fullmatch(code) for code in counties):
        raise ConfigurationError(
            f"{where}的 counties 应为六位区划代码，几个的用分号隔开、不得重复，实为 `{row['counties'][:60]}`；请更正"
        )
    year = _year(where, row)
    if form == BUDGET_SHARE:
        share = _share(where, row, "budget_share", 6)
        if not share:
            raise ConfigurationError(f"{where}的 budget_share 为零；请填预算比例，如 0.12")
        return Package(row["alliance_id"], year, row["insurance_type"], form, 0, 0, 0, 0, share, counties)
    if not WHOLE.fullmatch(row["insured"]):
        raise ConfigurationError(
            f"{where}的 insured 应为大于零的整数（参保人数），实为 `{row['insured'][:20]}`；请更正"
        )
    per_head = {
        column: _per_head(where, row, column) for column in ("per_capita_yuan", "serious_illness_yuan")
    }
    per_capita, illness = per_head["per_capita_yuan"], per_head["serious_illness_yuan"]
    if illness >= per_capita:
        raise ConfigurationError(
            f"{where}的 serious_illness_yuan（{row['serious_illness_yuan']}）应小于 per_capita_yuan（{row['per_capita_yuan']}）；请核对"
        )
    return Package(
        row["alliance_id"], year, row["insurance_type"], form, int(row["insured"]), per_capita, illness,
        _share(where, row, "risk_reserve", 4), 0, counties,
    )  # fmt: skip


def _amount(where: str, row: dict[str, str], memberships: Sequence[Membership]) -> AllianceAmount:
    if not MONTH.fullmatch(row["month"]):
        raise ConfigurationError(f"{where}的月份应写作 2025-10，实为 `{row['month'][:20]}`；请更正")
    if row["kind"] not in AMOUNT_KIND_NAMES:
        raise ConfigurationError(
            f"{where}的类别应为 {'、'.join(AMOUNT_KIND_NAMES)}，实为 `{row['kind'][:40]}`；"
            "住院按病种付费的由结算病例得出，不填在这里，请更正"
        )
    if not AMOUNT.fullmatch(row["amount_yuan"]):
        raise ConfigurationError(
            f"{where}的金额读不懂：`{row['amount_yuan'][:40]}`；应为不到一万亿、至多两位小数的元，可带千分位逗号"
        )
    if not row["document"]:
        raise ConfigurationError(f"{where}没有写 document；请填这笔金额的文书号")
    if not any(one.alliance_id == row["alliance_id"] for one in members_in(memberships, row["month"])):
        raise ConfigurationError(
            f"{where}的医共体 `{row['alliance_id']}` 在 {row['month']} 末没有成员，这笔金额无处可计；请核对月份或 alliances.csv"
        )
    fen = int(Decimal(row["amount_yuan"].replace(",", "")) * 100)
    return AllianceAmount(
        row["alliance_id"], row["month"], row["kind"], row["insurance_type"], fen, row["document"]
    )


def _assessment(where: str, row: dict[str, str]) -> AllianceAssessment:
    parts = [row[column] for column in ("county", "township", "village")]
    if not all(PART.fullmatch(part) for part in parts) or not any(int(part) for part in parts):
        raise ConfigurationError(
            f"{where}的县、乡、村分配比应为不小于零、不全为零的整数，如 6、3、1，实为 `{'、'.join(parts)[:40]}`；请更正"
        )
    county, township, village = (int(part) for part in parts)
    return AllianceAssessment(
        row["alliance_id"], _year(where, row), _share(where, row, "retention", 4), county, township, village
    )


def _year(where: str, row: dict[str, str]) -> int:
    if not YEAR.fullmatch(row["year"]):
        raise ConfigurationError(f"{where}的年度应为四位数字，实为 `{row['year'][:20]}`；请更正")
    return int(row["year"])


def _share(where: str, row: dict[str, str], column: str, digits: int) -> int:
    """A share of 0 to 1 in units of its last digit."""
    if not SHARE[digits].fullmatch(row[column]):
        raise ConfigurationError(
            f"{where}的 {column} 应为 0 至 1、至多 {digits} 位小数的数，实为 `{row[column][:20]}`；请更正"
        )
    return int(Decimal(row[column]).scaleb(digits))


def _per_head(where: str, row: dict[str, str], column: str) -> int:
    if not PER_HEAD.fullmatch(row[column]):
        raise ConfigurationError(
            f"{where}的 {column} 应为元、至多两位小数，实为 `{row[column][:40]}`；请更正"
        )
    return int(Decimal(row[column]) * 100)
