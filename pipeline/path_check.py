"""What `regions check` says of the rules off the normal path: sets, special rules, scope, bed-days, fixed amounts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pipeline.pack import Pack
from pipeline.pack_paths import BedDayTier, Treatment
from pipeline.price_special import special_paths
from pipeline.problem import Problem, some
from pipeline.schemes import Scheme
from pipeline.terms import Terms


def check_paths(terms: Terms, pack: Pack, scheme: Scheme) -> Iterator[Problem]:
    """Every problem of one interval."""
    yield from _names(terms)
    yield from _levels(terms, pack)
    treatments = list(_treatments(terms))
    if any(one.treatment == "bed_day" for _, one in treatments):
        yield from _tiers(terms, pack)
    for name, one in treatments:
        if isinstance(one.yuan, dict) and (
            missing := [level for level in pack.levels if level not in one.yuan]
        ):
            yield Problem(
                "error", f"{terms.valid_from} 起的 {name}",
                f"定额缺级别 {some(missing)}，其病例将退回（no_amount）；请补齐", refuses_cases=True,
            )  # fmt: skip
    if terms.ratio.reference == "group_mean":
        normal = [group for group, kind in scheme.kinds.items() if kind == "grouped"]
        if missing := [
            group
            for group in normal
            if group not in terms.means
            and (terms.weights is None or terms.standards or group in terms.weights)
        ]:
            yield Problem(
                "error", f"{terms.valid_from} 起的权重",
                f"参照标准为 group_mean，而有 {len(missing)} 个组没有 mean_fee_yuan：{some(missing)}；请补例均费用",
                refuses_cases=True,
            )  # fmt: skip
    if terms.standards:
        levels = {hospital.level for hospital in terms.hospitals.values()}
        known = {group for group, _ in terms.standards}
        if missing := sorted(f"{group}／{level}" for group in known for level in levels
                             if (group, level) not in terms.standards):  # fmt: skip
            yield Problem(
                "warning", f"{terms.valid_from} 起的支付标准表", f"缺 {len(missing)} 格，其病例将退回：{some(missing)}；请补表",
            )  # fmt: skip


def _treatments(terms: Terms) -> Iterator[tuple[str, Treatment]]:
    off = terms.off_path
    for kind in ("ungrouped", "ambiguous", "excluded"):
        if (treatment := getattr(off, kind)) is not None:
            yield f"off_path.{kind}", treatment
    yield from ((f"off_path.groups.{group}", treatment) for group, treatment in off.groups.items())
    yield from ((f"off_path.sets.{one.name}", one) for one in off.sets)
    yield from ((f"special_rules.{rule.path}", treatment) for rule, treatment in special_paths(terms).items())


def _names(terms: Terms) -> Iterator[Problem]:
    """Names tell rules apart; a group may leave the path in one way only."""
    for key, names in (
        ("off_path.sets", [one.name for one in terms.off_path.sets]),
        ("special_rules", [rule.name for rule in (terms.special_rules.rules if terms.special_rules else ())]),
        ("scope", [rule.name for rule in (terms.scope.rules if terms.scope else ())]),
    ):
        if repeated := [name for name, count in Counter(names).items() if count > 1]:
            yield Problem("error", f"{terms.valid_from} 起的 {key}", f"名称重复：{some(repeated)}；请改名")
    listed = Counter([*terms.off_path.groups, *terms.base_groups.amounts,
                      *(group for one in terms.off_path.sets for group in dict.fromkeys(one.groups))])  # fmt: skip
    if twice := [group for group, count in listed.items() if count > 1]:
        yield Problem(
            "error", f"{terms.valid_from} 起的 off_path", f"同一病组有两种办法：{some(twice)}；请只留一种",
        )  # fmt: skip


def _levels(terms: Terms, pack: Pack) -> Iterator[Problem]:
    """Levels, insurance types and places that do not exist would never be met."""
    for rule in terms.special_rules.rules if terms.special_rules else ():
        for title, said, known in (
            ("level", rule.level, pack.levels), ("insurance_type", rule.insurance_type, pack.insurance_types),
            ("place", rule.place, set(pack.place_codes.values())),
        ):  # fmt: skip
            if strange := [one for one in said or () if one not in known]:
                yield Problem(
                    "error", f"{terms.valid_from} 起的 special_rules.{rule.name}",
                    f"{title} 写了不认识的 {some(strange)}，永远无病例相符；请更正",
                )  # fmt: skip


def _tiers(terms: Terms, pack: Pack) -> Iterator[Problem]:
    """Every day of a stay falls into exactly one tier of every level and insurance type."""
    tiers = terms.bed_day.tiers if terms.bed_day else []
    for level in pack.levels:
        for kind, title in pack.insurance_types.items():
            own = [one for one in tiers if one.level in (None, level) and one.insurance_type in (None, kind)]
            if wrong := _gap(sorted(own, key=lambda tier: tier.from_day)):
                yield Problem(
                    "error",
                    f"{terms.valid_from} 起的 bed_day",
                    f"{level} {title}：{wrong}；请改正各档起止天数",
                )


def _gap(tiers: list[BedDayTier]) -> str:
    """What is wrong with the days of the tiers, or nothing."""
    expected: int | None = 1
    for tier in tiers:
        if expected is None or tier.from_day < expected:
            return f"第 {tier.from_day} 天落在两档里"
        if tier.from_day > expected:
            return f"第 {expected} 天没有标准"
        expected = None if tier.to_day is None else tier.to_day + 1
    return "" if expected is None else f"第 {expected} 天起没有标准"
