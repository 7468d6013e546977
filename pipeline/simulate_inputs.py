"""What a simulation compares: the present parameters, proposed weights or a whole other pack, and the stored months."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipeline.decide import QuotaUse, Review
from pipeline.decisions import Decision
from pipeline.earlier import Earlier
from pipeline.entries import MOST_SCORE, MOST_WEIGHT
from pipeline.errors import ConfigurationError, InputError, UsageMistake
from pipeline.group_tables import fen_of, weight_of
from pipeline.identity import sha256_of
from pipeline.pack import Pack
from pipeline.problem import some
from pipeline.region import Region, load_region
from pipeline.region_check import check_region, stop_on_errors
from pipeline.region_tables import read_csv
from pipeline.run import terms_and_schemes
from pipeline.runfolder import MANIFEST, ground_sha
from pipeline.schemes import Scheme
from pipeline.terms import Terms

PRESENT = "现行"
STORED = ("validated", "grouped", "case_payment", "scored")  # what a simulation reads of a run folder
LONGEST_NAME = 20


@dataclass(frozen=True)
class Proposal:
    """Parameters that price the stored cases. `source`: the file or folder they come from; `sha256` of it.

    `regroups`: by another scheme, so that the validated rows are grouped anew before they are priced.
    """

    name: str
    source: str
    sha256: str
    region: Region
    terms: tuple[Terms, ...]
    schemes: Mapping[str, Scheme]
    regroups: bool = False


@dataclass(frozen=True)
class Stored:
    """A finished run of one month."""

    folder: Path
    period: str
    run: str
    pack_sha256: str
    ground: str
    earlier: tuple[Earlier, ...]  # the publications that the run has met

    def table(self, name: str) -> Path:
        return self.folder / f"{name}.parquet"


def present_of(region: Region) -> Proposal:
    """The pack as it stands. Raises ConfigurationError for a draft and for errors that no case could answer for."""
    terms, schemes = terms_and_schemes(region)
    stop_on_errors(region, terms, schemes)
    return Proposal(PRESENT, region.pack.name, region.sha256, region, terms, schemes)


def stored_months(folders: Sequence[Path], region: Region) -> tuple[Stored, ...]:
    """Finished runs by period, their tables proved against the manifest.

    Raises InputError for a folder that is none or was altered, UsageMistake for another region or a period twice,
    ConfigurationError where the cases would have to be validated and grouped anew.
    """
    if not folders:
        raise UsageMistake("没有给出历史批次；请用 --history 给出 out/地区/结算期/批次，可多次")
    months = sorted((_stored(folder, region) for folder in folders), key=lambda one: (one.period, one.run))
    for before, after in pairwise(months):
        if before.period == after.period:
            raise UsageMistake(
                f"{after.period} 给了两个批次：{before.run}、{after.run}；同一结算期只能算一次，请删去一个"
            )
    return tuple(months)


def _stored(folder: Path, region: Region) -> Stored:
    path = folder / MANIFEST
    if not path.is_file():
        raise InputError(f"不是批次文件夹：{folder}；请给出 out/地区/结算期/批次")
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        files = {name: manifest["files"][f"{name}.parquet"] for name in STORED}
        earlier = tuple(
            Earlier(period, run, folder.parent.parent / period / run)
            for period, run in sorted(manifest["standing"]["published"].items())
        )
        made = Stored(
            folder, manifest["period"], manifest["run"], manifest["pack_sha256"], manifest["ground"], earlier
        )
        of_region = manifest["region"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"批次的清单读不出来或缺项：{path}；请换一个按月结算的批次") from error
    if of_region != region.pack.name:
        raise UsageMistake(
            f"批次不是本地区的：{folder} 属于 `{of_region}`，应为 `{region.pack.name}`；请更正 --history"
        )
    for name, digest in files.items():
        found = sha256_of(made.table(name)) if made.table(name).is_file() else "（不存在）"
        if found != digest:
            raise InputError(
                f"批次被改动：{made.table(name)}，应为 sha256 {digest[:12]}…，实为 {found[:12]}；请换用未改动的批次"
            )
    for one in made.earlier:
        if not (one.folder / "scored.parquet").is_file():
            raise InputError(
                f"缺批次 {made.run} 所见的早先发布：{one.folder}；冲销要照它的价格，请在结算结果的原文件夹里测算"
            )
    if made.ground != ground_sha(region):
        raise ConfigurationError(
            f"{made.period} 不能由已存的分组测算：批次 {made.run} 之后分组方案、编码版本、医院表、险种或结算期的口径改过，"
            f"需要重新分组；请先用 `drgdip run {region.spoken} --period {made.period}` 重算"
        )
    return made


def review_of_run(month: Stored, region: Region) -> Review:
    """The decisions that a stored run has carried out, and the places of the quota that were taken before it."""
    outcome, quota = month.table("review_outcome"), month.table("review_quota")
    if not outcome.is_file():
        return Review()
    met = tuple(
        Decision(
            row["case_id"], row["decision"], row["standard_after_fen"] if row["decision"] == "adjusted" else None,
            row["rank"], row["reviewer"], row["decided_on"], row["reason"], row["document"],
        )
        for row in pq.read_table(outcome).to_pylist() if row["outcome"] == "applied"
    )  # fmt: skip
    before = tuple(
        QuotaUse(row["quota_year"], row["review_from"], row["discharges_before"], row["approvals_before"])
        for row in pq.read_table(quota).to_pylist()
    )
    return Review(tuple(region.pack.review), met, before)


def named(texts: Sequence[str], option: str) -> list[tuple[str, Path]]:
    """`name=path` of an option, in the order given. Raises UsageMistake."""
    found = []
    for text in texts:
        name, sign, path = text.partition("=")
        if not sign or not name.strip() or not path.strip() or len(name.strip()) > LONGEST_NAME:
            raise UsageMistake(
                f"{option} 应写作 名称=路径（名称至多 {LONGEST_NAME} 字），实为 `{text[:60]}`；请更正"
            )
        found.append((name.strip(), Path(path.strip())))
    return found


def stop_on_names(names: Sequence[str]) -> None:
    """Raise UsageMistake where there is no proposal, or two have one name, or one is called like the present."""
    if not names:
        raise UsageMistake("没有要测算的方案；请用 --proposal 名称=权重.csv 或 --pack 名称=文件夹")
    for name in names:
        if names.count(name) > 1 or name == PRESENT:
            raise UsageMistake(f"方案名称重复或与“{PRESENT}”相同：`{name}`；请另取名称")


def weights_proposal(name: str, path: Path, present: Proposal, last: Stored) -> Proposal:
    """The present pack with the weights of a file (columns drg, weight[, mean_fee_yuan]) in place of its own.

    They replace the weights on every day whose scheme is the one in force when the window ends. Raises
    ConfigurationError naming the file for groups of another scheme and numbers that cannot be priced exactly.
    """
    region = present.region
    if region.pack.method == "published":
        raise UsageMistake("本地区按公布的支付标准付费，没有权重可换；请用 --pack 名称=文件夹 给出另一份参数")
    weights, means = _read_weights(path, region.pack)
    scheme = _scheme_at_end(present, last)
    kinds = present.schemes[scheme].kinds
    strange = [group for group in weights if group not in kinds]
    if strange or not weights:
        raise ConfigurationError(
            f"方案 `{name}` 的权重表属于另一个分组方案：{path} 的 {len(weights)} 个组中有 {len(strange)} 个不属于 "
            f"`{scheme.split('@')[0]}`：{some(strange) or '（空表）'}；请更换权重表，换分组方案要重新分组"
        )  # fmt: skip
    title = scheme.split("@")[0]
    terms = tuple(
        replace(one, weights=weights, means=means or one.means) if one.scheme.name == title else one
        for one in present.terms
    )
    changed = replace(present, name=name, source=path.name, sha256=sha256_of(path), terms=terms)
    _stop_on_errors(changed, path)
    return changed


def _read_weights(path: Path, pack: Pack) -> tuple[dict[str, Decimal], dict[str, int]]:
    """Group → weight (a score by DIP), and group → mean fee in fen where the file prints one."""
    most = MOST_SCORE if pack.kind == "dip" else MOST_WEIGHT
    rows = read_csv(path, ("drg", "weight"), unique="drg")
    return (
        {row["drg"]: weight_of(path, row["drg"], row["weight"], pack.digits.weight, most=most) for row in rows},
        {row["drg"]: fen_of(path, row["drg"], row["mean_fee_yuan"]) for row in rows if row.get("mean_fee_yuan")},
    )  # fmt: skip


def _scheme_at_end(present: Proposal, last: Stored) -> str:
    """The key of the scheme by which the newest stored month is priced at its end."""
    held = [one for one in present.terms if str(one.valid_from)[:7] <= last.period]
    return (held or list(present.terms))[-1].scheme.key


def _stop_on_errors(proposal: Proposal, path: Path) -> None:
    """As for a pack; a group without a price is told with its cases, later, and only where it occurs."""
    found = [
        one for one in check_region(proposal.region, proposal.terms, proposal.schemes)
        if one.severity == "error" and not one.refuses_cases
    ]  # fmt: skip
    if found:
        raise ConfigurationError(
            f"方案 `{proposal.name}` 不能用：{path}，{found[0].where}：{found[0].message}"
        )


def pack_proposal(name: str, folder: Path, present: Proposal, regroup: bool) -> Proposal:
    """A whole other pack; `regroup` allows another scheme of the same kind.

    Raises ConfigurationError where its cases would have to be validated anew, or grouped without `regroup`.
    """
    region = load_region(f"{folder}/")
    own, other = present.region.pack, region.pack
    changed = _schemes_of(own) != _schemes_of(other)
    if changed and (not regroup or own.kind != other.kind):
        raise ConfigurationError(
            f"方案 `{name}` 换了分组方案，需要重新分组：{folder} 用 {_titles(other)}，现行为 {_titles(own)}；"
            + ("请加 --regroup，由已校验的记录重新分组并给出新旧分组对照" if own.kind == other.kind
               else "DRG 与 DIP 之间不能这样比较，请由原始记录分别结算")
        )  # fmt: skip
    same_scheme = replace(region, pack=other.model_copy(update={"scheme": own.scheme}))
    if ground_sha(same_scheme if changed else region) != ground_sha(present.region):
        raise ConfigurationError(
            f"方案 `{name}` 改了编码版本、医院表、险种或结算期的口径，需要重新校验和分组：{folder}；"
            "只改价格（权重、费率、点值、系数、界限、基础病组）的参数才能由已存的分组测算"
        )
    terms, schemes = terms_and_schemes(region)
    stop_on_errors(region, terms, schemes)
    return Proposal(name, folder.name, region.sha256, region, terms, schemes, changed)


def _schemes_of(pack: Pack) -> list[dict[str, Any]]:
    """What of the schemes decides groups: all but where it is written."""
    return [one.model_dump(exclude={"source"}) for one in pack.scheme]


def _titles(pack: Pack) -> str:
    return "、".join(f"{one.name}（{one.from_} 起）" for one in pack.scheme)


def simulation_id(
    present: Proposal, months: Sequence[Stored], proposals: Sequence[Proposal], code: str
) -> str:
    """First 12 hex digits of the hash of everything a simulation is a function of."""
    parts = [present.sha256, code, [one.run for one in months], [[one.name, one.sha256] for one in proposals]]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()[:12]
