"""simulation.html: one page that needs nothing but itself, with bars of winners and losers and tables that sort."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from pipeline.simulate_report import WAYS, Report, class_name
from pipeline.words import yuan_text

MOST_BARS = 20  # of each side; the tables have all
BAR_SPAN, BAR_STEP = 200, 24  # pixels: the longest bar on either side, the distance of two bars
MOST_GROUPS = 200  # rows of the table of groups, the largest changes; the workbook has all


@dataclass(frozen=True)
class Bar:
    """One hospital's bar in pixels, to the right of the middle or to the left."""

    label: str
    told: str
    fen: int
    x: int
    y: int
    width: int
    gains: bool


def write_page(path: Path, report: Report) -> None:
    """The page as bytes that depend on the report alone."""
    text = (package_files("pipeline") / "pages" / "simulation.html").read_text(encoding="utf-8")
    pages = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    path.write_text(pages.from_string(text).render(_content(report)), encoding="utf-8")


def _content(report: Report) -> dict[str, Any]:
    totals = report.rows("FROM simulation_total WHERE by_what = 'region'")
    ranks = report.rows("FROM simulation_rank")
    return {
        "title": report.title, "window": report.window, "run": report.run, "notes": report.notes,
        "proposals": [
            {"name": name, "total": _first(totals, name), "bars": bars([row for row in ranks if row["proposal"] == name]),
             "crossings": _crossings(report, name)}
            for name in report.proposals
        ],
        "tables": [*_tables(report)],
        "values": _values(report),
        "numbers": _numbers(report, totals, ranks),
        "span": BAR_SPAN, "step": BAR_STEP, "yuan": _grouped, "percent": percent,
        "word": report.word, "unit": "点数" if report.by_points else report.word("权重"),
        "by_points": report.by_points,
    }  # fmt: skip


def _first(rows: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    return next(row for row in rows if row["proposal"] == name)


def bars(ranks: Sequence[Mapping[str, Any]]) -> list[Bar]:
    """The largest winners, then the largest losers; the longest bar fills its side. Pixels are whole numbers."""
    won = [row for row in ranks if row["fund_change_fen"] > 0][:MOST_BARS]
    lost = [row for row in ranks if row["fund_change_fen"] < 0][-MOST_BARS:]
    longest = max((abs(row["fund_change_fen"]) for row in (*won, *lost)), default=1)
    found = []
    for place, row in enumerate((*won, *lost)):
        fen = row["fund_change_fen"]
        width = max(1, abs(fen) * BAR_SPAN // longest)
        found.append(Bar(
            row["name"] or row["hospital_id"], f"{'+' if fen > 0 else ''}{_grouped(fen)}", fen,
            BAR_SPAN if fen > 0 else BAR_SPAN - width, place * BAR_STEP, width, fen > 0,
        ))  # fmt: skip
    return found


def _grouped(fen: int | None) -> str:
    """Fen as yuan with separators of thousands, by integers."""
    if fen is None:
        return "—"
    whole, _, cents = yuan_text(abs(fen)).partition(".")
    return f"{'-' if fen < 0 else ''}{int(whole):,}.{cents}"


def percent(millionths: int | None) -> str:
    """Millionths as a percentage with two digits, half away from zero."""
    if millionths is None:
        return "—"
    hundredths = (abs(millionths) * 2 + 100) // 200
    return f"{'-' if millionths < 0 and hundredths else ''}{hundredths // 100}.{hundredths % 100:02d}%"


def _crossings(report: Report, name: str) -> list[dict[str, Any]]:
    found = report.rows(
        "SELECT class_before, class_after, sum(cases)::BIGINT AS cases, sum(fund_before_fen)::BIGINT AS before_fen, "
        "sum(fund_after_fen)::BIGINT AS after_fen FROM simulation_class "
        "WHERE proposal = $name AND class_before <> class_after GROUP BY ALL ORDER BY cases DESC, class_before, class_after", name=name,
    )  # fmt: skip
    return [row | {part: class_name(row[part]) for part in ("class_before", "class_after")} for row in found]


def _values(report: Report) -> list[dict[str, Any]]:
    return [
        row | {"label": report.priced(row["insurance_type"], row["price"])}
        for row in report.rows("FROM simulation_value")
    ]


def _tables(report: Report) -> list[dict[str, Any]]:
    """One table per way of adding up: a row per key, the proposals beside each other."""
    ways = [
        ("hospital", "医院", "SELECT *, hospital_id AS key FROM simulation_rank ORDER BY key"),
        *((way, title, f"FROM simulation_total WHERE by_what = '{way}' ORDER BY key") for way, title in WAYS.items()),
        ("group", "病组", "SELECT *, group_code AS key FROM simulation_group WHERE group_code IN (SELECT group_code "
         "FROM simulation_group GROUP BY ALL ORDER BY max(abs(fund_change_fen)) DESC, group_code "
         f"LIMIT {MOST_GROUPS}) ORDER BY key"),
    ]  # fmt: skip
    found = []
    for way, title, text in ways:
        rows = report.rows(text)
        if not rows:
            continue
        by_key: dict[str, dict[str, dict[str, Any]]] = {}
        for row in rows:
            by_key.setdefault(row["key"], {})[row["proposal"]] = row
        lines = [
            {"key": key, "label": _label(report, way, key, held), "first": held[report.proposals[0]],
             "each": [held[name] for name in report.proposals]}
            for key, held in sorted(by_key.items(), key=lambda one: report.place(way, one[0]))
        ]  # fmt: skip
        note = (
            f"只列增减最大的 {MOST_GROUPS} 个，全部见工作簿"
            if way == "group" and len(lines) == MOST_GROUPS
            else ""
        )
        found.append(
            {"way": way, "title": report.word(title), "rows": lines, "note": note, "net": way == "hospital"}
        )
    return found


def _label(report: Report, way: str, key: str, held: Mapping[str, Mapping[str, Any]]) -> str:
    if way in ("hospital", "group"):
        return str(next(iter(held.values()))["name"] or "")
    return report.label(way, key).removeprefix(key).strip()  # the key stands in a column of its own


def _numbers(
    report: Report, totals: Sequence[Mapping[str, Any]], ranks: Sequence[Mapping[str, Any]]
) -> Markup:
    """The numbers of the page for programs: JSON that no name in it can end the script of."""
    content = {
        "simulation": report.run, "periods": list(report.periods), "proposals": list(report.proposals),
        "totals": [{name: row[name] for name in ("proposal", "cases_before", "cases_after", "fund_before_fen", "fund_after_fen")}
                   for row in totals],
        "hospitals": [{name: row[name] for name in ("proposal", "place", "hospital_id", "fund_before_fen", "fund_after_fen",
                                                    "fund_neutral_fen")} for row in ranks],
        "values": [{"proposal": row["proposal"], "insurance_type": row["insurance_type"], "price": _text(row["price"]),
                    "neutral_price": _text(row["neutral_price"])} for row in report.rows("FROM simulation_value")],
    }  # fmt: skip
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _text(number: object) -> str | None:
    return None if number is None else str(number)
