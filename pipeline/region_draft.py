"""`regions new`: a region pack drafted from a row of the table of areas, every value marked as not yet verified."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.areas import find_area, read_areas, read_drafting, read_families, shown_label
from pipeline.errors import UsageMistake
from pipeline.region_draft_rules import Terms, terms_of
from pipeline.region_draft_text import readme_text, region_text
from pipeline.region_schema import SCHEMA_FILE, schema_text
from pipeline.write import appearing

HOSPITAL_COLUMNS = ("hospital_id", "name", "level", "class", "county", "from", "to")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")


@dataclass(frozen=True)
class Drafted:
    """An area of the list: whether its row is complete, and every blank with its reason."""

    label: str
    method: str
    blanks: dict[str, str]

    @property
    def complete(self) -> bool:
        """Whether it drafts to a pack that passes `regions check --draft`."""
        return not self.blanks


def drafted_areas() -> list[Drafted]:
    """Every row of the table and how far it drafts, in the order of the table."""
    areas, families, drafting = read_areas(), read_families(), read_drafting()
    return [
        Drafted(shown_label(area, areas), terms.method, terms.blanks)
        for area in areas.values()
        for terms in (terms_of(area, families, drafting),)
    ]


def document() -> str:
    """docs/areas.md: the same list for people, each blank by its name and with its reason. Written in Chinese."""
    found, names = drafted_areas(), read_drafting()["blanks"]
    lines = [
        "# 能起草哪些地区",
        "",
        "本页由 `python -m pipeline.region_draft` 生成，列的与 `drgdip regions areas` 是同一份。",
        "完整：照它起草（`drgdip regions new ‹名称› --like ‹地区›`）出来的参数能通过 `regions check --draft`；"
        "缺：参数表里空白、互相矛盾或写法不能直接用，不替本市填。怎样起草见 [region.md](region.md)。",
        "",
        f"共 {len(found)} 行，完整 {sum(one.complete for one in found)} 行，缺 {sum(not one.complete for one in found)} 行。",
        "",
        "| 地区 | 结算方法 | 起草 | 缺什么 |",
        "|---|---|---|---|",
    ]
    for one in found:
        blanks = "；".join(f"{names[item]}（`{item}`）：{why}" for item, why in one.blanks.items())
        shown = blanks.replace("|", "\\|")
        lines.append(f"| {one.label} | `{one.method}` | {'完整' if one.complete else '缺'} | {shown} |")
    return "\n".join(lines) + "\n"


def draft_region(name: str, like: str, target: Path, allow_blanks: bool = False) -> Terms:
    """Write the folder of a drafted pack: region.yaml, hospitals.csv, README.md, the schema for editors.

    Raises UsageMistake for a name that is none, a target that exists, an unknown area, or an area with blanks.
    """
    if not NAME.fullmatch(name):
        raise UsageMistake(f"地区名写法不对：`{name}`；只用英文、数字、连字符，另放他处请用 --out")
    if target.exists():
        raise UsageMistake(f"文件夹已存在：{target}；请换一个名称，或用 --out 另选位置")
    drafting = read_drafting()
    terms = terms_of(find_area(like), read_families(), drafting)
    if terms.blanks and not allow_blanks:
        told = "；".join(f"{drafting['blanks'][item]}（{item}，{why}）" for item, why in terms.blanks.items())
        raise UsageMistake(
            f"“{like}”在表中不全，不能起草：{told}；请另选地区，或加 --allow-blanks 起草后照本市文件补上"
        )
    write_draft(name, terms, target, drafting)
    return terms


def write_draft(name: str, terms: Terms, target: Path, drafting: dict[str, Any]) -> None:
    """The files of a draft; they appear together or not at all."""
    with appearing(target, folder=True) as beside:
        (beside / "region.yaml").write_text(region_text(name, terms, drafting), encoding="utf-8")
        (beside / "README.md").write_text(readme_text(name, terms, drafting), encoding="utf-8")
        (beside / SCHEMA_FILE).write_text(schema_text(), encoding="utf-8")
        with (beside / "hospitals.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerow(HOSPITAL_COLUMNS)


if __name__ == "__main__":
    print(document(), end="")
