"""The files of a drafted region pack as text: numbers as the table prints them, comments in Chinese."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.areas import Elsewhere
from pipeline.pack import EMPTY_BY
from pipeline.region_draft_rules import UNKNOWN, Terms, digits_of
from pipeline.region_schema import SCHEMA_FILE

RATIO_COLUMNS = (
    "ratio_reference", "low_threshold", "low_inclusive", "high_inclusive", "high_bands", "low_settlement",
    "high_settlement",
)  # fmt: skip
PLAIN_DIGITS = 4  # of weights, and of coefficients where the table has none; listed under to_supply
WORDS_OF_YAML = ("true", "false", "yes", "no", "on", "off", "null")
SAID_IN_ITEM = "见值"  # the item itself holds the numbers
METHODS = {"rate": "费率法", "points": "点数法"}


def region_text(name: str, terms: Terms, drafting: dict[str, Any]) -> str:
    """`region.yaml` of a draft."""
    return "\n".join([*_head(name, terms, drafting), *_entries(terms, drafting), ""])


def _head(name: str, terms: Terms, drafting: dict[str, Any]) -> Iterator[str]:
    area = terms.area
    yield f"# yaml-language-server: $schema={SCHEMA_FILE}"
    yield f"# 参照各地参数表「{area.label}」一行起草，全部未核实。逐项与本市文件核对：对的删去 unverified，不对的改；"
    yield "# 补齐的从 to_supply 删去。先用 drgdip regions check 文件夹 --draft，全部清完后去掉 --draft。"
    for note in terms.notes:
        yield f"# 注：{note}"
    yield from (
        f"name: {name}", f"title: {quoted(f'{name}（参照{area.label}起草，未核实）')}", 'version: "draft"',
        f"method: {terms.method}                    # {METHODS[terms.method]}", f"inbox: samples/{name}           # 待补",
        "period_by: settlement_date      # 待核对", "pricing_by: discharge_date      # 待核对",
    )  # fmt: skip
    types = {code: title for title, code in drafting["insurance_types"].items()}
    yield f"insurance_types: {flow(types)}"
    yield 'place_codes: {"1": local, "2": local, "3": province, "4": country}  # 待核对'
    yield f"levels: {flow(list(terms.levels))}  # 须由低到高；照表列出，次序与全否待核对"
    cost = area.texts["area_mean_cost_yuan"]
    money = [
        *_leaves(terms.rates),
        *_leaves(terms.point_values),
        *([cost] if terms.method == "points" and cost else []),
    ]
    own = max((digits_of(text) for text in _leaves(terms.coefficients)), default=PLAIN_DIGITS)
    yield "digits:                         # 按表中所列的数暂写，待核对"
    yield f"  weight: {PLAIN_DIGITS}"
    yield f"  rate: {min(int(drafting['most_digits']['rate']), max(map(digits_of, money), default=0))}"
    yield f"  coefficient: {own}"
    yield "  source: 按表中所列的数暂写，未核实"
    yield "rounding:"
    yield "  unit: fen"
    yield "  direction: half_away_from_zero"
    yield "  source: 通行做法，四舍五入到分，待核对"
    yield "to_supply:                      # 本市还要补的；补一项删一项"
    for item in terms.supply:
        yield f"  - {item}  # {drafting['supply'][item]}"
    for item, why in terms.blanks.items():
        yield f"  - {item}  # 表里的空白：{drafting['blanks'][item]}（{why}）"


def _entries(terms: Terms, drafting: dict[str, Any]) -> Iterator[str]:
    empty = {EMPTY_BY.get(item, item) for item in terms.blanks}
    area, day = terms.area, drafting["from"]
    scheme = [f"    name: {drafting['scheme']}", f"    source: {drafting['scheme_source']}"]
    yield from _entry("scheme", day, [*scheme, f"    unverified: {drafting['scheme_doubt']}"])
    yield from _template("codes", drafting)
    yield from _template("weights", drafting)
    if terms.method == "rate":
        body = ["    values:", *(f"      {quoted(code)}: {flow(by)}" for code, by in terms.rates.items())]
        yield from _drafted("rates", "rates" in empty, body, "费率", (), terms, drafting, "元／权重")
    else:
        scale = terms.point_scale or UNKNOWN
        body = [f"    scale: {scale}"] if terms.point_scale or "point_scale" in empty else []
        body += [] if body else ["    # scale:                      # 待补：点数尺度，每 1 权重几点"]
        body.append(f"    area_mean_cost: {area.texts['area_mean_cost_yuan'] or UNKNOWN}")
        yield from _drafted(
            "point_scale", "point_scale" in empty, body, "全市次均费用", (), terms, drafting, "元／权重"
        )
        body = [f"    values: {flow(terms.point_values)}"]
        yield from _drafted(
            "point_values", "point_values" in empty, body, "点值", (), terms, drafting, "元／点"
        )
    if terms.coefficients:
        body = [
            "    by_level:",
            *(f"      {quoted(level)}: {flow(by)}" for level, by in terms.coefficients.items()),
        ]
        yield from _drafted("coefficients", False, body, "级别系数", (), terms, drafting)
    else:
        yield from _template("coefficients", drafting)
    yield from _template("base_groups", drafting)
    ratio = terms.ratio
    body = [f"    reference: {ratio['reference']}", f"    low: {flow(ratio['low'])}", "    high:"]
    body += [f"      - {flow(band)}" for band in ratio["high"]]
    yield from _drafted("ratio", "ratio" in empty, body, "倍率界限与计价规则", RATIO_COLUMNS, terms, drafting)
    if terms.special_rules:
        body = ["    rules:", *(f"      - {flow(rule)}" for rule in terms.special_rules)]
        yield from _drafted("special_rules", False, body, "特殊情形", ("high_settlement",), terms, drafting)
    for key in ("off_path", "fund_share", "settlement"):
        yield from _template(key, drafting)


def _entry(key: str, day: str, body: list[str], aside: str = "") -> Iterator[str]:
    yield from ("", f"{key}:{f'  # {aside}' if aside else ''}", f"  - from: {day}  # 暂写", *body)


def _drafted(
    key: str, blank: bool, body: list[str], what: str, columns: tuple[str, ...], terms: Terms,
    drafting: dict[str, Any], aside: str = "",
) -> Iterator[str]:  # fmt: skip
    """An entry with its origin and doubt; as a comment where the table leaves a part of it blank."""
    area = terms.area
    doubt = f"{drafting['doubt']}，年份{area.year or '未注明'}"
    if against := [one for one in area.elsewhere if set(one.disputes) & set(columns) & set(area.disputed)]:
        doubt += "；有争议，与另一出处矛盾：" + "；".join(told_elsewhere(one) for one in against)
    body = [
        *body,
        f"    source: 各地参数表 data/areas「{area.label}」一行，{what}",
        f"    unverified: {quoted(doubt)}",
    ]
    lines = _entry(key, drafting["from"], body, aside)
    yield from (
        _commented(lines, f"{key}：表里有空白，{UNKNOWN} 处照本市文件补上后去掉行首的 #") if blank else lines
    )


def _template(key: str, drafting: dict[str, Any]) -> Iterator[str]:
    """How an entry that the city supplies is written, as a comment."""
    text = (
        drafting["templates"][key].replace("{from}", drafting["from"]).replace("{scheme}", drafting["scheme"])
    )
    return _commented(iter(["", *text.rstrip().splitlines()]), f"{key} 待补：{drafting['supply'][key]}")


def _commented(lines: Iterator[str], why: str) -> Iterator[str]:
    yield ""
    yield f"# {why}"
    yield from (f"# {line}" for line in lines if line)


def _leaves(values: Mapping[str, Any]) -> Iterator[str]:
    for value in values.values():
        yield from _leaves(value) if isinstance(value, dict) else (value,)


def flow(value: Any) -> str:
    """A value in YAML on one line; a number is its text."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{quoted(key)}: {flow(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(quoted(part) for part in value) + "]"
    return value if _is_plain_number(str(value)) else quoted(str(value))


def _is_plain_number(text: str) -> bool:
    return re.fullmatch(r"[0-9]+(\.[0-9]+)?|true|false", text) is not None


def quoted(text: str) -> str:
    """Text in YAML: plain where it can be nothing else; what is unknown stays plain, so that nothing reads it."""
    if text == UNKNOWN:
        return text
    plain = (
        re.fullmatch(r"[^\W\d][\w、，；（）／「」．。 .-]*(?<! )", text) and text.lower() not in WORDS_OF_YAML
    )
    return text if plain else json.dumps(text, ensure_ascii=False)


def told_elsewhere(one: Elsewhere) -> str:
    """Another source's number in a line."""
    value = "" if one.value == SAID_IN_ITEM else f" {one.value}{one.unit}"
    return f"{one.region} {one.year} {one.item}{value}，{one.source}"


def readme_text(name: str, terms: Terms, drafting: dict[str, Any]) -> str:
    """README.md of a draft: what the city supplies, what is blank, what is disputed, and what to do next."""
    area = terms.area
    lines = [
        f"# {name}：参照各地参数表「{area.label}」起草", "",
        f"{METHODS[terms.method]}。{drafting['doubt']}，年份{area.year or '未注明'}。核对并补齐之前不能用来结算，`drgdip run` 会拒绝。",
        "", "## 待补清单", "",
        "| 项目 | 补什么 |", "|---|---|",
        *(f"| `{item}` | {drafting['supply'][item]} |" for item in terms.supply),
    ]  # fmt: skip
    if terms.blanks:
        lines += ["", "## 表里的空白", "", "空白就是不知道，没有替本市填。`regions check --draft` 会一直报错，直到补上。", "",
                  "| 项目 | 是什么 | 为什么空着 |", "|---|---|---|",
                  *(f"| `{item}` | {drafting['blanks'][item]} | {_cell(why)} |" for item, why in terms.blanks.items())]  # fmt: skip
    if terms.notes:
        lines += ["", "## 注", "", *(f"- {note}" for note in terms.notes)]
    if area.elsewhere:
        lines += ["", "## 同一地区在别处的数，供核对", "", "| 年份 | 项目 | 数 | 出处 | 矛盾的列 |", "|---|---|---|---|---|",
                  *(f"| {one.year} | {_cell(one.item)} | {_cell(one.value)} {one.unit} | {_cell(one.source)} | {' '.join(one.disputes)} |"
                    for one in area.elsewhere)]  # fmt: skip
    lines += [
        "", "## 步骤", "",
        "1. 逐项与本市文件核对 `region.yaml`：对的把 `source` 改成文号，删去 `unverified`；不对的改。",
        "2. 照待补清单补齐，补一项从 `to_supply` 删一项。注释里有各项的写法，详见 docs/region.md。",
        "3. `drgdip regions check 文件夹 --draft` 随时检查；全部清完后不加 `--draft` 再检查一次。",
        "",
    ]  # fmt: skip
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
