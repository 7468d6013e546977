"""From a row of the table of areas to the terms of a region pack, and what of them the table leaves blank.

Nothing is filled in: a blank is named, and what the format cannot say is named as such, never approximated.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pipeline.areas import Area, Number

UNKNOWN = "？"
NO_HIGH_BANDS = "none"
Values = dict[str, Any]  # insurance code → text, or level → text


@dataclass(frozen=True)
class Terms:
    """What a draft says of an area; every number is the text of the table. `blanks`: item → why it is blank.

    `ratio` holds `UNKNOWN` where the table is blank. `point_scale` is the scale, blank where the city supplies it.
    """

    area: Area
    method: str
    levels: tuple[str, ...]
    ratio: dict[str, Any]
    special_rules: tuple[dict[str, Any], ...]
    rates: Values
    point_values: Values
    point_scale: str
    coefficients: Values
    blanks: dict[str, str]
    notes: tuple[str, ...]
    supply: tuple[str, ...]


def terms_of(area: Area, families: dict[str, dict[str, Any]], drafting: dict[str, Any]) -> Terms:
    """The terms of an area as far as the table knows them."""
    method = _method(area, families)
    blanks: dict[str, str] = {}
    low, high = (_family(area, side, method, families, blanks) for side in ("low", "high"))
    ratio = _ratio(area, low, high, blanks)
    if "missing" in high:
        blanks.update(high["missing"])
    codes, base = drafting["insurance_types"], drafting["base_rate_levels"]
    levels = tuple(dict.fromkeys(
        number.level for kind in ("coefficient", "rate", "high_band") for number in area.of(kind)
        if number.level and number.level not in base
    ))  # fmt: skip
    _numbers(area, method, levels, drafting, blanks)
    coefficients = _coefficients(area, codes)
    # One level alone is an example of the table's, no city has only one.
    listed = len(coefficients) > 1 and set(levels) <= set(coefficients)
    supply = [item for item in drafting["supply"] if item != "coefficients" or not listed]
    scale = low.get("point_scale", "")
    if method != "points" or scale or "area_mean_cost" in blanks:
        supply.remove("point_scale")
    return Terms(
        area, method, levels, ratio, tuple(high.get("areas", {}).get(area.name, high.get("rules", ()))),
        _values(area.of("rate"), codes) if method == "rate" else {},
        _values(area.of("point_value"), codes) if method == "points" else {},
        scale, coefficients, dict(sorted(blanks.items(), key=lambda item: list(drafting["blanks"]).index(item[0]))),
        tuple(_notes(area, method, base)), tuple(supply),
    )  # fmt: skip


def _method(area: Area, families: dict[str, dict[str, Any]]) -> str:
    """By rate where the table prints one; by points where it prints a point value or pays in points."""
    if area.of("rate"):
        return "rate"
    low = families["low"].get(area.texts["low_settlement"], {})
    return "points" if area.of("point_value") or "points" in low.get("methods", ()) else "rate"


def _family(
    area: Area, side: str, method: str, families: dict[str, dict[str, Any]], blanks: dict[str, str]
) -> dict[str, Any]:
    """How the pack writes a family of the table; its blank where there is none that means the same."""
    text, item = area.texts[f"{side}_settlement"], f"{side}_settlement"
    found = families[side].get(text)
    if found is None:
        blanks[item] = f"表中写作 {text}，本格式写不出" if text else "表中空白"
        return {}
    if method not in found.get("methods", (method,)):
        blanks[item] = f"表中写作 {text}，费率法没有点数，没有意义"
    reference = area.texts["ratio_reference"]
    if reference not in found.get("references", (reference,)):
        blanks[item] = f"表中写作 {text}，只在参照标准为 {'、'.join(found['references'])} 时写得出"
    return found


def _ratio(area: Area, low: dict[str, Any], high: dict[str, Any], blanks: dict[str, str]) -> dict[str, Any]:
    """The `ratio` entry, `UNKNOWN` for every blank."""

    def known(item: str) -> str:
        if not area.texts[item]:
            blanks[item] = "表中空白"
        return area.texts[item] or UNKNOWN

    def inclusive(item: str) -> str:
        return {"yes": "true", "no": "false"}.get(known(item), UNKNOWN)

    bands: list[Number] = area.of("high_band")
    if area.texts["no_high_bands"] == NO_HIGH_BANDS:
        blanks["high_bands"] = "表中注明没有高倍率，本格式写不出没有高倍率的地区"
    elif not bands:
        blanks["high_bands"] = "表中空白"
    elif not any(band.level == band.weight_le == "" for band in bands):
        blanks["high_bands"] = "每一段都写了级别或权重，没有写其余的用哪一段，本格式写不出"
    edge = UNKNOWN if area.texts["no_high_bands"] == NO_HIGH_BANDS else inclusive("high_inclusive")
    pays = {name: high[name] for name in ("family", "base", "share", "factor") if name in high}
    pays.setdefault("family", UNKNOWN)
    return {
        "reference": known("ratio_reference"),
        "low": {"threshold": known("low_threshold"), "inclusive": inclusive("low_inclusive"),
                "family": low.get("family", UNKNOWN)},
        "high": [
            {**({"level": band.level} if band.level else {}), **({"weight_le": band.weight_le} if band.weight_le else {}),
             "threshold": band.value, "inclusive": edge, **pays}
            for band in bands
        ] or [{"threshold": UNKNOWN, "inclusive": edge, **pays}],
    }  # fmt: skip


def _numbers(
    area: Area, method: str, levels: Iterable[str], drafting: dict[str, Any], blanks: dict[str, str]
) -> None:
    """Names what is missing of rates, point values and the mean cost, and what the format cannot hold."""
    item, kind = ("rates", "rate") if method == "rate" else ("point_values", "point_value")
    numbers, codes = area.of(kind), drafting["insurance_types"]
    most = int(drafting["most_digits"]["rate"])
    if not numbers:
        blanks[item] = "表中空白" if method == "points" else "费率与点值都空白，结算方法也不明"
    if strange := [number.insurance_type for number in numbers if number.insurance_type not in ("", *codes)]:
        blanks[item] = f"{'、'.join(strange)} 是哪个险种，表中没有说"
    if long := [number.value for number in numbers if digits_of(number.value) > most]:
        blanks[item] = f"{'、'.join(long)} 的小数超过本格式的 {most} 位"
    if method == "points" and not area.texts["area_mean_cost_yuan"]:
        blanks["area_mean_cost"] = "表中空白"
    if method == "rate" and any(number.level for number in numbers):
        known = {(number.level, kind) for number in numbers for kind in _types(number, codes)}
        if missing := [level for level in levels if any((level, kind) not in known for kind in codes)]:
            blanks["rates"] = f"没有 {'、'.join(missing)} 的费率"


def _types(number: Number, codes: dict[str, str]) -> list[str]:
    """The insurance types that a number is for: all where the table names none."""
    return [number.insurance_type] if number.insurance_type else list(codes)


def _values(numbers: list[Number], codes: dict[str, str]) -> Values:
    """Insurance code → text, or → level → text; types that have no code are left to the blank that names them."""
    found: Values = {}
    for code_name, code in codes.items():
        mine = [number for number in numbers if code_name in _types(number, codes)]
        if any(number.level for number in mine):
            found[code] = {number.level: number.value for number in mine}
        elif mine:
            found[code] = mine[-1].value
    return found


def _coefficients(area: Area, codes: dict[str, str]) -> Values:
    """Level → text, or → insurance code → text."""
    found: Values = {}
    for number in area.of("coefficient"):
        if number.insurance_type:
            found.setdefault(number.level, {})[codes[number.insurance_type]] = number.value
        else:
            found[number.level] = number.value
    return found


def _notes(area: Area, method: str, base: list[str]) -> list[str]:
    """What a reader of the draft should know beside the terms."""
    notes = []
    if method == "rate" and (cost := area.texts["area_mean_cost_yuan"]):
        notes.append(f"全市次均费用 {cost}：费率法不用")
    for level in dict.fromkeys(number.level for number in area.of("rate") if number.level in base):
        notes.append(
            f"费率中的“{level}”是基础病组的费率：base_groups 写 strategy: rate_of_level, level: {level}"
        )
    if "written as" in area.texts["high_settlement"]:
        notes.append(
            f"高倍率表中写作 {area.texts['high_settlement']}，与 linear_add 是同一个式子；加点不低于零的下限表中未提"
        )
    return notes


def digits_of(text: str) -> int:
    """Digits after the point, as printed."""
    return len(text.partition(".")[2])
