"""Check a returned negotiation file against the region: every complaint at once, by sheet and cell; nothing is guessed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from pipeline.invariance import Weight, plain
from pipeline.negotiate_present import Present, fingerprint
from pipeline.negotiate_read import Complaint, Entry, Filled, number_of
from pipeline.negotiate_sheet import LOCKS, STAMP
from pipeline.words import worded
from pipeline.workbook import clean

LONGEST = 200  # characters of a reason
SHOWN = 20  # characters of a cell shown in a complaint
_UNTOUCHED = {"name": "名称", "cases": "例数", "present": "现行权重"}


@dataclass(frozen=True)
class Proposed:
    """What the panels want of a group; no weight: as it is."""

    weight: Decimal | None
    reason: str
    locked: bool


@dataclass(frozen=True)
class Checked:
    """The complaints in the file's order, and the proposals by group; with complaints the file is not to be used.

    `cases`: of the history that a workbook was made from; None for a CSV.
    """

    complaints: tuple[Complaint, ...]
    proposals: dict[str, Proposed]
    cases: dict[str, int] | None

    def weights(self, present: Present, cases: Mapping[str, int]) -> dict[str, Weight]:
        """Every negotiated group as `rescale` takes it."""
        none = Proposed(None, "", False)
        return {
            code: Weight(
                group.present, self.proposals.get(code, none).weight, cases[code], group.panel,
                self.proposals.get(code, none).locked,
            )
            for code, group in present.groups.items()
        }  # fmt: skip


def check_filled(filled: Filled, present: Present) -> Checked:
    """Judge a file row by row.

    In a workbook every group must stand on its own panel's sheet, unaltered; a CSV names only what is to change.
    """
    complaints = list(filled.faults)
    if not filled.is_csv:
        complaints += _judge_stamp(filled, present)
    copies = set(_copied_sheets(filled, present))
    complaints += [
        Complaint("copied_sheet", sheet, "", "表中的病组已在别的表上：多半是复制出来的表；请删去多余的一张")
        for sheet in filled.sheets if sheet in copies
    ]  # fmt: skip
    first: dict[str, Entry] = {}
    proposals: dict[str, Proposed] = {}
    for entry in filled.entries:
        if entry.sheet in copies:
            continue
        found = [*_judge_code(entry, present, first, filled.is_csv), *_judge_kept(entry, present, filled)]
        proposed = _proposed(entry, present, found)
        complaints += found
        proposals.setdefault(entry.cells["group_code"], proposed)
    if not filled.is_csv:
        complaints += _judge_missing(filled, present, first)
    order = {sheet: number for number, sheet in enumerate(filled.sheets)}
    complaints.sort(key=lambda one: order.get(one.sheet, -1))
    complaints = [replace(one, message=worded(one.message, present.kind)) for one in complaints]
    cases = (
        None
        if filled.is_csv
        else {code: filled.ground.get(code, ("", 0, None))[1] for code in present.groups}
    )
    return Checked(tuple(complaints), proposals, cases)


def _judge_stamp(filled: Filled, present: Present) -> Iterator[Complaint]:
    stamp = filled.stamp
    if stamp is None:
        yield Complaint("no_stamp", STAMP, "", "缺这张表，认不出是哪一版；请用原来的工作簿，不要删表")
        return
    told = {key: stamp.get(key, "") for key in ("地区", "权重日期", "权重校验", "批次", "指纹")}
    own = fingerprint(
        told["地区"], told["权重校验"], told["权重日期"], told["批次"].split("、"), filled.ground
    )
    if own != told["指纹"]:
        yield Complaint(
            "altered_stamp", STAMP, "", "内容被改动（与指纹不符）；请把填好的各表复制回原来的工作簿"
        )
    elif told["地区"] != present.region:
        yield Complaint(
            "other_region",
            STAMP,
            "",
            f"是地区 `{told['地区'][:SHOWN]}` 的表，给出的地区是 `{present.region}`；请更正 --region",
        )
    elif told["权重校验"] != present.sha256:
        yield Complaint(
            "other_version", STAMP, "",
            f"是另一版权重的表（{stamp.get('权重文件', '')[:40]}，{told['权重校验'][:12]}），{present.day} 的权重是 {present.file}"
            f"（{present.sha256[:12]}）；请重新出表",
        )  # fmt: skip


def _copied_sheets(filled: Filled, present: Present) -> Iterator[str]:
    """Sheets that are no panel's own and bring nothing but groups that the panels' sheets have already."""
    if filled.is_csv:
        return
    own = {entry.cells["group_code"] for entry in filled.entries if entry.sheet in present.panels}
    for sheet in filled.sheets:
        codes = {entry.cells["group_code"] for entry in filled.entries if entry.sheet == sheet}
        if sheet not in present.panels and codes <= own:
            yield sheet


def _judge_code(entry: Entry, present: Present, first: dict[str, Entry], is_csv: bool) -> Iterator[Complaint]:
    code = entry.cells["group_code"]
    if "group_code" in entry.formulas:
        yield _at(entry, "group_code", "formula", "是公式或错误值；请粘贴为文字")
        return
    if not code:
        yield _at(entry, "group_code", "no_code", "编码是空的；请恢复编码或删去该行")
        return
    group = present.groups.get(code)
    if group is None:
        why = "的权重不用于付费，不谈判" if code in present.others else "不是本地区现行权重表里的病组"
        yield _at(entry, "group_code", "unknown_group", f"`{code[:SHOWN]}` {why}；请核对编码")
        return
    earlier = first.setdefault(code, entry)
    if earlier is not entry:
        panels = {one.cells.get("panel") or one.sheet for one in (earlier, entry)}
        two = "两个专家组提了同一病组" if len(panels) > 1 else "同一病组有两行"
        where = "" if earlier.sheet == entry.sheet else f"{earlier.sheet}!"
        yield _at(entry, "group_code", "two_panels" if len(panels) > 1 else "twice",
                  f"`{code}` 与 {where}{earlier.at('group_code')} 重复，{two}；请只留一处")  # fmt: skip
    elif not is_csv and entry.sheet != group.panel:
        yield _at(entry, "group_code", "other_panel", f"`{code}` 属于表 {group.panel}；请移回原表")


def _judge_kept(entry: Entry, present: Present, filled: Filled) -> Iterator[Complaint]:
    """What the panels may not touch: name, cases and present weight of a workbook's row."""
    group = present.groups.get(entry.cells["group_code"])
    if filled.is_csv or group is None or group.code not in filled.ground:
        return
    _, cases, weight = filled.ground[group.code]
    wanted: dict[str, str | Decimal] = {
        "name": " ".join(clean(group.name).split()),
        "cases": Decimal(cases),
        "present": weight,
    }
    for name, title in _UNTOUCHED.items():
        text, was = entry.cells[name], wanted[name]
        if name in entry.formulas:
            yield _at(entry, name, "formula", f"{title}是公式或错误值；请恢复为 {was}")
        elif (text if name == "name" else number_of(text)) != was:
            yield _at(entry, name, "changed", f"{title}被改动：应为 `{was}`，实为 `{text[:SHOWN]}`；请恢复")


def _proposed(entry: Entry, present: Present, found: list[Complaint]) -> Proposed:
    """The row's proposal; what is wrong with it is added to `found`."""
    weight = _weight(entry, present, found)
    reason, lock = entry.cells["reason"], entry.cells["lock"]
    group = present.groups.get(entry.cells["group_code"])
    for name in ("reason", "lock"):
        if name in entry.formulas:
            found.append(_at(entry, name, "formula", "是公式或错误值；请粘贴为文字"))
    if len(reason) > LONGEST:
        found.append(_at(entry, "reason", "long_reason", f"理由超过 {LONGEST} 个字；请写短"))
    if group is not None and weight is not None and not reason and "reason" not in entry.formulas:
        moved = abs(Fraction(weight) - Fraction(group.present)) / Fraction(group.present)
        if moved > present.reason_over:
            found.append(_at(
                entry, "reason", "no_reason",
                f"缺理由：{plain(group.present)} 改为 {plain(weight)}，变动超过 {plain((present.reason_over * 100).normalize())}%；请填写",
            ))  # fmt: skip
    if lock not in (*LOCKS, "") and "lock" not in entry.formulas:
        found.append(_at(entry, "lock", "lock", f"锁定应为是、否或空着，实为 `{lock[:SHOWN]}`；请更正"))
    return Proposed(weight, reason, lock == LOCKS[0])


def _weight(entry: Entry, present: Present, found: list[Complaint]) -> Decimal | None:
    text = entry.cells["proposed_weight"]
    if "proposed_weight" in entry.formulas:
        found.append(_at(entry, "proposed_weight", "formula", "建议权重是公式或错误值；请粘贴为数值"))
        return None
    if not text:
        return None
    weight = number_of(text)
    if weight is None:
        found.append(
            _at(entry, "proposed_weight", "not_a_number", f"建议权重应为数，实为 `{text[:SHOWN]}`；请更正")
        )
        return None
    group = present.groups.get(entry.cells["group_code"])
    digits = -int(weight.normalize().as_tuple().exponent)
    if digits > present.digits:
        found.append(_at(
            entry, "proposed_weight", "digits", f"建议权重 {text[:SHOWN]} 有 {digits} 位小数，应至多 {present.digits} 位；请四舍五入",
        ))  # fmt: skip
    elif group is not None and (why := present.limits.breach(group.present, weight)) is not None:
        found.append(_at(entry, "proposed_weight", "limits", f"建议权重 {plain(weight)} {why}；请更正"))
    return weight


def _judge_missing(filled: Filled, present: Present, first: Mapping[str, Entry]) -> Iterator[Complaint]:
    unread = {fault.sheet for fault in filled.faults}
    for panel in present.panels:
        codes = [group.code for group in present.groups.values() if group.panel == panel]
        if panel in unread:
            continue
        if panel not in filled.sheets:
            yield Complaint(
                "no_sheet", panel, "", f"缺这张表（{len(codes)} 个病组）；请用原来的工作簿，不要删表"
            )
            continue
        for code in codes:
            if code not in first:
                yield Complaint(
                    "missing_group", panel, "", f"缺病组 `{code}`：编码被改动或该行被删去；请恢复"
                )


def _at(entry: Entry, name: str, code: str, message: str) -> Complaint:
    return Complaint(code, entry.sheet, entry.at(name), message)
