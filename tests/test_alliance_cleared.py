"""The alliances of a year (医共体) right after the stage that clears it: on its own tables, in its own connection."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.alliance import clear_alliances, months_of
from tests.alliance_fixtures import AREAS, MEMBERS, alliance_pack, rows_of
from tests.clearing_fixtures import cleared, law, tables_of
from tests.test_clear import s02

H9_LATER = "A1,甲县医共体,H9,member,2025-07-01,,"
HOSPITALS = {"H1": "三级", "H2": "二级", "H3": "二级", "H9": "二级"}
S02 = (702_583_333, -7_416_667)  # vector S02: total 7,025,833.33, clearing −74,166.67


@pytest.mark.parametrize(
    ("period", "own", "of_alliance"),
    [("2025-08", (0, 0), S02), ("2025-03", S02, (0, 0))],
    ids=["August", "March"],
)
def test_s02s_hospital_joins_in_july(
    tmp_path: Path, period: str, own: tuple[int, int], of_alliance: tuple[int, int]
) -> None:
    """All of H9's year is one month: August is the alliance's, March its own. H1 leads all year, H2 is in none."""
    lines = [MEMBERS[0], H9_LATER]
    region = alliance_pack(tmp_path / "pack", members=lines, packages=(), assessments=(), hospitals=HOSPITALS)
    plain = s02()
    year = replace(
        plain, cases=[replace(one, period=period if one.hospital == "H9" else one.period) for one in plain.cases],
        months=[replace(one, period=period) for one in plain.months],
    )  # fmt: skip
    scored = tables_of(year)["year_scored"]
    numbered = scored.append_column("input_row", pa.array(range(scored.num_rows), pa.int64()))
    areas = pa.Table.from_pylist([{"input_row": row} for row in range(scored.num_rows)], AREAS)
    with cleared(year, law(), tmp_path / "run", {"year_scored": numbered}) as done:
        done.con.register("year_validated", areas.append_column("period", scored.column("period")))
        done.con.register("alliance_months", months_of(region, 2025))
        laws = clear_alliances(done.con, region, 2025, tmp_path / "run")
        found = rows_of(done.con, "alliance_member_clearing")
        end = rows_of(done.con, "alliance_clearing")["A1", "310"]
        hospitals = done.hospitals()
    assert laws
    assert {key[1] for key in found} == {"H1", "H9"}
    h1, h9 = found["A1", "H1", "310"], found["A1", "H9", "310"]
    whole = hospitals["H1", "310"]
    assert (h1["entitlement_fen"], h1["clearing_fen"]) == (whole["entitlement_fen"], whole["clearing_fen"])
    assert (h9["entitlement_fen"], h9["clearing_fen"]) == of_alliance
    left = hospitals["H9", "310"]
    assert (left["entitlement_fen"] - of_alliance[0], left["clearing_fen"] - of_alliance[1]) == own
    assert end["members_clearing_fen"] == h1["clearing_fen"] + h9["clearing_fen"] == end["lead_clearing_fen"]
