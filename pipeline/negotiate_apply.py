"""Accept what a meeting agreed: its weights become a dated version of the region pack (DESIGN §8).

The pack is changed by one table and one entry (`weight_version.py`); published months change by `rerun`, never here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from pipeline.entries import MOST_SCORE, MOST_WEIGHT
from pipeline.errors import ConfigurationError, InputError, UsageMistake
from pipeline.group_tables import read_group_tables
from pipeline.negotiate_history import read_history
from pipeline.negotiate_present import Present, present_of
from pipeline.pack_pricing import WeightsEntry
from pipeline.problem import some
from pipeline.region import Region, load_region
from pipeline.rerun import months_priced_on
from pipeline.run import terms_and_schemes
from pipeline.schemes import Scheme
from pipeline.terms import Terms
from pipeline.weight_version import (
    Days,
    Version,
    changed_days,
    changing,
    free_name,
    restored,
    table_of,
    version_to_replace,
    with_version,
    write_version,
)
from pipeline.words import worded

LONGEST = 80  # characters of a number, a name, a panel; a reason may be longer
LONGEST_REASON = 200


@dataclass(frozen=True)
class Meeting:
    """What the minutes say of themselves: number (文号), day, panels, and who accepts the weights."""

    minutes: str
    held: dt.date
    panels: tuple[str, ...]
    by: str

    @property
    def head(self) -> str:
        """How the source of an accepted version begins."""
        return f"谈判会议纪要 {self.minutes}（{self.held}）"

    @property
    def people(self) -> str:
        """The panels and who accepted."""
        panels = f"专家组：{'、'.join(self.panels)}；" if self.panels else ""
        return f"{panels}采纳：{self.by}"


@dataclass(frozen=True)
class Totals:
    """Σ w·n of the negotiated groups over the history, by the weights that hold now and by the new ones."""

    window: str
    before: Decimal
    after: Decimal
    rounding: Decimal  # what rounding alone can have moved: half a last digit a case

    @property
    def kept(self) -> bool:
        """Whether the total weight stays, to the published digits."""
        return abs(self.after - self.before) <= self.rounding


@dataclass(frozen=True)
class Applied:
    """A version that was added (`fresh`), or stood already: its entry, how many weights it changes, on which days it is
    another than before, and which published months have cases priced on them."""

    region: Region
    entry: WeightsEntry
    fresh: bool
    changed: int = 0
    totals: Totals | None = None
    days: tuple[Days, ...] = ()
    months: tuple[str, ...] = ()


def meeting_of(minutes: str, held: dt.date, panels: Sequence[str], by: str) -> Meeting:
    """The words of the minutes, proved to be printable and short, its day no coming one. Raises UsageMistake."""
    for option, text in (("--minutes", minutes), ("--by", by), *(("--panel", one) for one in panels)):
        stop_on_text(option, text, LONGEST)
    if held > dt.date.today():
        raise UsageMistake(f"--held 是开会的日期，{held} 还没有到；请更正")
    return Meeting(minutes.strip(), held, tuple(one.strip() for one in panels), by.strip())


def stop_on_text(option: str, text: str, longest: int) -> None:
    """Raise UsageMistake for a text that is empty, too long or cannot be printed on one line."""
    if not text.strip() or len(text) > longest or not text.isprintable():
        raise UsageMistake(
            f"{option} 应为一行文字，至多 {longest} 字，实为 `{text[:20]}`（{len(text)} 字）；请更正"
        )


def apply_weights(
    region_name: str, file: Path, day: dt.date, meeting: Meeting, replaces: str | None = None,
    history: Sequence[Path] | None = None, reason: str | None = None, out: Path = Path("out"),
    ledger_url: str | None = None,
) -> Applied:  # fmt: skip
    """Add the weights of a file (the pack's own form) as the version from `day` on; once more it does nothing.

    `replaces`: the file of the standing version that it takes the place of. `history`: run folders over which the
    total weight is proved; `reason`: why it changes. Raises UsageMistake, ConfigurationError, InputError, Locked.
    """
    if reason is not None:
        stop_on_text("--total-changed", reason, LONGEST_REASON)
    with changing(load_region(region_name).folder):
        region = load_region(region_name)
        if region.pack.method == "published":
            present_of(region, day)  # says why there is nothing to accept
        if not file.is_file():
            raise InputError(f"没有这个文件：{file}；请给出 `drgdip negotiate rescale` 写出的新权重")
        table = file.read_bytes()
        stands = _accepted(region, day, meeting, table)
        if stands is not None:
            return Applied(region, stands, fresh=False)
        gone = version_to_replace(region, day, replaces)
        weights, means = _read(region, file)
        held, schemes = terms_and_schemes(region)
        terms = _terms_on(region, held, day)
        present = present_of(region, day, schemes)
        _judge(file, weights, means, terms, schemes[terms.scheme.key].kinds, present)
        totals = None if history is None else _totals(region, present, weights, history)
        _stop_on_total(file, totals, reason, region.pack.kind)
        source = f"{meeting.head}；{meeting.people}；{_total_told(totals, reason, region.pack.kind)}"
        entry = WeightsEntry.model_validate({
            "from": day, "file": free_name(region, day), "scheme": terms.scheme.name,
            "source": source, "replaces": None if gone is None else gone.file,
        })  # fmt: skip
        done = _add(region, schemes, Version(entry, table, weights, means), out, ledger_url)
        return replace(done, changed=_changed(present, weights), totals=totals)


def undo_version(
    region_name: str, file: str, meeting: Meeting, out: Path = Path("out"), ledger_url: str | None = None
) -> Applied:
    """Add a version that takes the place of the standing one with this file and holds what held before it.

    Raises UsageMistake where there is no such version or nothing before it, ConfigurationError, InputError, Locked.
    """
    with changing(load_region(region_name).folder):
        region = load_region(region_name)
        head = f"撤销 {file}：{meeting.head}"
        for one in region.pack.standing_weights:
            if one.source.startswith(head):
                return Applied(region, one, fresh=False)
        undone = next((one for one in reversed(region.pack.standing_weights) if one.file == file), None)
        if undone is None:
            standing = "、".join(one.file for one in region.pack.standing_weights)
            raise UsageMistake(
                f"没有这一版权重：`{file[:60]}`，现行的有 {standing}；请写要撤销的那一版的文件名"
            )
        back = restored(region, undone)
        table = table_of(region, back)
        entry = WeightsEntry.model_validate({
            "from": undone.from_, "file": back.file if table is None else free_name(region, undone.from_),
            "scheme": back.scheme, "replaces": undone.file, "to": undone.to,
            "source": f"{head}；恢复 {back.file}；{meeting.people}",
        })  # fmt: skip
        tables, (held, schemes) = region.tables, terms_and_schemes(region)
        version = Version(entry, table, tables.weights.get(back.file, {}), tables.means.get(back.file, {}))
        done = _add(region, schemes, version, out, ledger_url)
        scores = schemes[_terms_on(region, held, undone.from_).scheme.key].scores
        before, after = (tables.weights.get(one.file, scores) for one in (undone, back))
        changed = sum(before.get(code) != after.get(code) for code in before.keys() | after.keys())
        return replace(done, changed=changed)


def _accepted(region: Region, day: dt.date, meeting: Meeting, table: bytes) -> WeightsEntry | None:
    """The version that this very file became by these minutes. Raises UsageMistake where it was another or is no more."""
    for one in region.pack.weights:
        if one.from_ != day or not one.source.startswith(meeting.head):
            continue
        if table_of(region, one) != table:
            raise UsageMistake(
                f"这份会议纪要采纳过另一张表：{meeting.minutes}，{day} 起的 `{one.file}`；更正请用新的文号，并加 --replaces {one.file}"
            )
        if not any(one is other for other in region.pack.standing_weights):
            raise UsageMistake(
                f"这一版采纳过，后来被代替了：{meeting.minutes}，{day} 起的 `{one.file}`；要再用它，请用新的文号，并加 --replaces"
            )
        return one
    return None


def _terms_on(region: Region, terms: Sequence[Terms], day: dt.date) -> Terms:
    """The terms of a day. Raises UsageMistake for a day without terms."""
    for one in terms:
        if one.valid_from <= day <= one.valid_to:
            return one
    raise UsageMistake(
        f"这一天没有参数：{region.folder / 'region.yaml'} 从 {terms[0].valid_from if terms else '（无）'} 起，--from 为 {day}；请更正"
    )


def _read(region: Region, file: Path) -> tuple[dict[str, Decimal], dict[str, int]]:
    """The table as the pack would read it: group → weight, group → mean fee in fen. Raises InputError."""
    try:
        written = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"新权重不是 UTF-8 的 CSV：{file}；请给出 `drgdip negotiate rescale` 写出的表，Excel 改过的另存为“CSV UTF-8”"
        ) from error
    if not written.strip():
        raise InputError(f"新权重是空文件：{file}；请给出 `drgdip negotiate rescale` 写出的表")
    most = MOST_SCORE if region.pack.kind == "dip" else MOST_WEIGHT
    digits = region.pack.digits
    try:
        found = read_group_tables(file.parent, digits.weight, digits.coefficient, [file.name], [], [], most)
    except ConfigurationError as error:  # of a pack it would be the pack's; here the file is an input
        raise InputError(*error.args) from error
    return found.weights[file.name], found.means[file.name]


def _judge(
    file: Path, weights: Mapping[str, Decimal], means: Mapping[str, int], terms: Terms,
    kinds: Mapping[str, str], present: Present,
) -> None:  # fmt: skip
    """Raise InputError for another scheme's groups and for groups left out, UsageMistake where nothing changes."""
    strange = [group for group in weights if group not in kinds]
    if strange or not weights:
        raise InputError(worded(
            f"权重表属于另一个分组方案：{file} 的 {len(weights):,} 个病组中有 {len(strange):,} 个不属于 {present.day} 的方案 "
            f"`{terms.scheme.name}`：{some(strange) or '（空表）'}；请更换权重表", present.kind,
        ))  # fmt: skip
    known = {code: group.present for code, group in present.groups.items()} | present.others
    missing = [group for group in known if group not in weights]
    if missing:
        raise InputError(worded(
            f"权重表缺病组：{file} 有 {len(weights):,} 个，{present.file} 有 {len(known):,} 个，"
            f"缺 {len(missing):,} 个：{some(missing)}；请补齐", present.kind,
        ))  # fmt: skip
    bare = [group for group in terms.means if group not in means]
    if bare and terms.ratio.reference == "group_mean":
        raise InputError(worded(
            f"权重表缺例均费用：{file} 的 mean_fee_yuan 缺 {len(bare):,} 个病组：{some(bare)}；倍率的参照标准要用，请补齐", present.kind,
        ))  # fmt: skip
    if known == weights and (not means or means == terms.means):
        raise UsageMistake(
            f"没有要采纳的：{file} 与 {present.day} 现行的 {present.file} 完全相同；请核对文件"
        )


def _totals(region: Region, present: Present, weights: Mapping[str, Decimal], seen: Sequence[Path]) -> Totals:
    history = read_history(seen, region.pack.name)
    cases = {code: history.of(code).cases for code in present.groups}
    half = Decimal(5).scaleb(-present.digits - 1)
    return Totals(
        history.window,
        sum((group.present * cases[code] for code, group in present.groups.items()), Decimal(0)),
        sum((weights[code] * cases[code] for code in present.groups), Decimal(0)),
        half * sum(cases.values()),
    )


def _stop_on_total(file: Path, totals: Totals | None, reason: str | None, kind: str) -> None:
    if totals is None or totals.kept or reason is not None:
        return
    raise UsageMistake(worded(
        f"总权重变了：{file} 在 {totals.window} 上 Σ 权重 × 例数由 {totals.before:,f} 变为 {totals.after:,f}，"
        f"相差 {totals.after - totals.before:+,f}，超出四舍五入的 {totals.rounding:,f}；"
        "请用 `drgdip negotiate rescale` 缩放，或加 --total-changed 理由", kind,
    ))  # fmt: skip


def _total_told(totals: Totals | None, reason: str | None, kind: str) -> str:
    """What the source says of the total weight."""
    why, total = f"，理由：{reason.strip()}" if reason is not None else "", worded("总权重", kind)
    if totals is None:
        return f"{total}未核对{why}"
    told = f"{total} {totals.before:f} → {totals.after:f}（历史 {totals.window}）"
    return told if totals.kept else told + why


def _changed(present: Present, weights: Mapping[str, Decimal]) -> int:
    known = {code: group.present for code, group in present.groups.items()} | present.others
    return sum(weight != known.get(code) for code, weight in weights.items())


def _add(
    region: Region, schemes: Mapping[str, Scheme], version: Version, out: Path, ledger_url: str | None
) -> Applied:
    """Prove the new pack, see whom it touches, and only then write."""
    text = (region.folder / "region.yaml").read_bytes().decode("utf-8")
    made, written = with_version(region, schemes, text, version)
    days = changed_days(region.pack, made.pack)
    months = months_priced_on(region, days, out, ledger_url)
    write_version(region, text, written, version)
    return Applied(made, version.entry, True, days=tuple(days), months=tuple(months))
