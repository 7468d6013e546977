"""Budget lines (预算单列): a pool of their own, taken out of their insurance type's, by hand and as a pack writes them."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import openpyxl  # type: ignore[import-untyped]
import polars as pl
import pyarrow as pa
import pytest

from pipeline.clear_ground import budgets_of_year
from pipeline.clear_pools import read_pools
from pipeline.clear_workbook import write_clearing_hospital, write_clearing_region
from pipeline.clearing_check import check_clearing
from pipeline.errors import ConfigurationError, UsageMistake
from pipeline.indicate import type_budgets
from pipeline.pack_clearing import ClearingEntry
from pipeline.query import engine, table
from pipeline.region import Region, budget_lines, budget_of, budgets_of, load_region
from pipeline.solve import solve
from tests.clearing_fixtures import B01, cleared, columns_of, law, tables_of
from tests.clearing_pictures import heading
from tests.pricing_fixtures import Case, dated, plain_pack, priced, write_pack
from tests.reference.clear_case import Month, Year, YearCase, clear
from tests.region_pack_slips import budgets, copied

FAR, BIRTH = "跨省异地", "生育"


def hand() -> Year:
    """310: main 3 points (H1 a 2, H2 b 1), fund 100. 生育: 4 points (H1 c 3, H2 d 1), fund 10. 跨省异地: e and f of H1 by
    item, 700 and 50 fen as their months priced them, beside a budget of 700."""

    def pointed(case_id: str, hospital: str, points: str, line: str = "", **more: Any) -> YearCase:
        plain = {"standard_fen": 0, "fund_fen": 0, "fee_fen": 0, "pool_fen": 0, **more}
        return YearCase(case_id, hospital, "310", points=points, line=line, **plain)

    def by_item(case_id: str, fen: int) -> YearCase:
        return pointed(
            case_id, "H1", "0", FAR, standard_fen=fen, apart_fen=fen, fund_fen=fen, fee_fen=fen, pool_fen=fen
        )

    cases = [
        pointed("a", "H1", "2", fee_fen=54, pool_fen=54), pointed("b", "H2", "1", fee_fen=33, pool_fen=33),
        pointed("c", "H1", "3", BIRTH), pointed("d", "H2", "1", BIRTH), by_item("e", 700), by_item("f", 50),
    ]  # fmt: skip
    return Year(
        cases, [Month("H1", "310", 600, cash_fen=600)], budgets={"310": 100},
        line_budgets={("310", BIRTH): 10, ("310", FAR): 700},
    )  # fmt: skip


ENTRY = law(lines_as_priced=[FAR], bands=B01, bands_measure="fund")


def test_every_pool_uses_up_its_own_budget(tmp_path: Path) -> None:
    """Main: 100 ÷ 3 = 33⅓ a point: H1 66⅔, H2 33⅓ → 67 and 33 (the missing fen to the larger remainder).
    生育: 10 ÷ 4 = 2.5: H1 7.5, H2 2.5 → 8 and 2 (equal remainders, H1). 跨省异地 as it is: H1 750, of 700 budgeted −50.
    H1: 67 + 8 + 750 = 825. Bands: the main pool's F 54 of S 67 = 0.806: kept, 1·S = 67, the lines go past:
    825. H2: F 33 of 33 = 1: 33 + 0.7 × 0 = 33, and 2. Clearing of H1: 825 − 600 = 225."""
    with cleared(hand(), ENTRY, tmp_path) as year:
        of_pool, balance = year.pools()
        rows, insurance = year.hospitals(), year.insurance()["310"]
        assert year.cases() == {"a": 67, "b": 33, "c": 8, "d": 2, "e": 700, "f": 50}
    assert of_pool == {
        ("H1", "310", ""): 67, ("H2", "310", ""): 33, ("H1", "310", BIRTH): 8, ("H2", "310", BIRTH): 2,
        ("H1", "310", FAR): 750,
    }  # fmt: skip
    values = {line: row["value_num"] and Fraction(int(row["value_num"]), int(row["value_den"]))
              for (_, line), row in balance.items()}  # fmt: skip
    assert values == {"": Fraction(1, 3), BIRTH: Fraction(1, 40), FAR: None}  # yuan per point
    assert {line: row["undistributed_fen"] for (_, line), row in balance.items()} == {
        "": 0,
        BIRTH: 0,
        FAR: -50,
    }
    own = rows["H1", "310"]
    assert (own["fund_from_points_fen"], own["spent_ratio_e4"]) == (825, 8060)
    assert (own["banded_fen"], own["entitlement_fen"], own["clearing_fen"]) == (825, 825, 225)
    assert rows["H2", "310"]["banded_fen"] == 35
    assert (insurance["budget_fen"], insurance["undistributed_fen"]) == (810, -50)
    assert insurance["value"] == "0.333333"  # the main pool's
    twin = clear(hand(), ENTRY)
    assert (twin.cases["c"], twin.pools) == (8, of_pool)


def test_without_its_line_the_same_case_moves_the_main_value(tmp_path: Path) -> None:
    """What taking a line out is for: were c and d in the main pool, 110 fen ÷ 7 points = 15⁵⁄₇ a point: H1 a 31³⁄₇ and
    c 47⅐, together 78⁴⁄₇ → 79, so a has the missing fen: 32, not 67."""
    mixed = [YearCase(**{**case.__dict__, "line": ""}) for case in hand().cases if case.line != FAR]
    with cleared(Year(mixed, budgets={"310": 110}), law(), tmp_path) as year:
        assert year.cases()["a"] == 32
        assert year.pools() == ({}, {}) and not (tmp_path / "pool_balance.parquet").exists()


def test_at_fixed_value_lines_keep_their_months_prices(tmp_path: Path) -> None:
    with cleared(hand(), law(value="fixed"), tmp_path) as year:
        of_pool, balance = year.pools()
    assert of_pool["H1", "310", FAR] == 750 and of_pool["H1", "310", BIRTH] == 0
    assert balance["310", FAR]["undistributed_fen"] == -50


@pytest.mark.parametrize(
    ("entry", "lines", "message"),
    [
        (law(), {("310", BIRTH): 10, ("310", FAR): 700}, r"险种 310（单列 跨省异地） 全年没有随点值.*lines_as_priced: \[跨省异地\]"),
        (ENTRY, {("310", FAR): 700}, r"年度预算缺险种 310（单列 生育）"),
        (ENTRY, {("310", BIRTH): 10, ("310", "康复"): 1}, r"险种 310（单列 康复） 有年度预算而全年没有病例"),
    ],
)  # fmt: skip
def test_a_line_that_cannot_be_cleared_is_named(
    tmp_path: Path, entry: dict[str, Any], lines: dict[tuple[str, str], int], message: str
) -> None:
    year = Year(hand().cases, budgets={"310": 100}, line_budgets=lines)
    with pytest.raises(ConfigurationError, match=message), cleared(year, entry, tmp_path):
        pass


def test_the_workbooks_show_the_lines_apart(tmp_path: Path) -> None:
    with cleared(hand(), ENTRY, tmp_path):
        pools = read_pools(tmp_path)
        hospitals, insurance = (
            pl.read_parquet(tmp_path / f"{name}_clearing.parquet") for name in ("hospital", "insurance")
        )
    assert pools is not None
    months = pl.DataFrame(tables_of(hand())["year_paid"]).filter(pl.col("hospital_id") == "H1")
    head = heading(method="difference")
    own = hospitals.filter(pl.col("hospital_id") == "H1")
    write_clearing_hospital(tmp_path / "h.xlsx", head, own, insurance, months, pools.of_hospital("H1"))
    told = columns_of(openpyxl.load_workbook(tmp_path / "h.xlsx")["年度清算单"])
    assert list(told) == ["职工（主体）", "职工（生育）", "职工（跨省异地）", "职工小计"]
    assert [one["清算基金"] for one in told.values()] == [0.67, 0.08, 7.5, 8.25]
    assert [one["F ÷ S"] for one in told.values()] == [0.806, None, None, None]
    assert [one["清算点值（元／点）"] for one in told.values()] == [0.333333333333, 0.025, None, None]
    assert told["职工小计"]["应得总额"] == 8.25 and told["职工（生育）"]["应得总额"] is None
    write_clearing_region(tmp_path / "r.xlsx", head, hospitals, insurance, pools)
    book = openpyxl.load_workbook(tmp_path / "r.xlsx")
    rows = [[cell.value for cell in row] for row in book["预算单列"].iter_rows()]
    (place,) = [row.index("预算单列") for row in rows if "机构编号" in row]
    of_pools = [(row[0], row[place], row[-1]) for row in rows if row[0] in ("H1", "H2", "合计")]
    assert of_pools == [
        ("H1", "主体", 0.67), ("H1", "生育", 0.08), ("H1", "跨省异地", 7.5), ("H2", "主体", 0.33), ("H2", "生育", 0.02),
        ("合计", "主体", 1), ("合计", "生育", 0.1), ("合计", "跨省异地", 7.5),
    ]  # fmt: skip
    balance = columns_of(book["分险种基金平衡"])
    assert list(balance) == ["职工（主体）", "职工（生育）", "职工（跨省异地）", "职工小计", "合计"]
    assert [one["年度预算"] for one in balance.values()] == [1, 0.1, 7, 8.1, 8.1]
    assert [one["未分配"] for one in balance.values()] == [0, 0, -0.5, -0.5, -0.5]


SCOPE = {"rules": [{"name": "异地", "place": ["outside"], "treatment": "by_item", "budget_line": FAR},
                   {"name": "生育", "care_type": ["52"], "treatment": "include", "budget_line": BIRTH},
                   {"name": "外地", "care_type": ["9"], "treatment": "exclude", "budget_line": "不付"}]}  # fmt: skip


def lined(folder: Path, *rows: str, **clearing: Any) -> Region:
    """A pack with two lines in scope, budgets of these rows, and a clearing entry."""
    (folder / "pack").mkdir(parents=True)
    header = "insurance_type,budget_line,year,fund,version,reason,source"
    (folder / "pack" / "budgets.csv").write_text("\n".join([header, *rows, ""]), encoding="utf-8")
    more = {"clearing": [dated(**({"value": "floating", "lines_as_priced": [FAR]} | clearing))]}
    return write_pack(folder / "pack", plain_pack(scope=[dated(**SCOPE)], **more))


def test_versions_count_by_pool(tmp_path: Path) -> None:
    region = lined(
        tmp_path, "310,,2025,100,1,,示范取值", f"310,{BIRTH},2025,10,1,,示范取值", f"310,{BIRTH},2025,12,2,追加,示范取值",
        "390,,2025,50,1,,示范取值", f"310,{FAR},2025,7,1,,示范取值",
    )  # fmt: skip
    found = budget_of(region, "310", 2025, BIRTH)
    assert found is not None and (found.fund_fen, found.version) == (1200, 2)
    assert [(*one.pool, one.fund_fen) for one in budgets_of(region, 2025)] == [
        ("310", "", 10_000), ("310", BIRTH, 1200), ("310", FAR, 700), ("390", "", 5000),
    ]  # fmt: skip
    assert budget_lines(region, 2025) == {FAR: True, BIRTH: False}  # who is excluded is paid from no line
    assert budget_lines(region, 2024) == {}
    given = {f"310/{BIRTH}": 900, "390": 40}
    (entry,) = region.pack.clearing
    assert {one.pool: one.fund_fen for one in budgets_of_year(region, entry, 2025, given)} == {
        ("310", ""): 10_000, ("310", BIRTH): 900, ("310", FAR): 700, ("390", ""): 40,
    }  # fmt: skip
    with pytest.raises(UsageMistake, match="预算单列 `康复` 不在 2025 年的 scope 中"):
        budgets_of_year(region, entry, 2025, {"310/康复": 1})


def test_pace_and_packages_look_at_the_whole_type(tmp_path: Path) -> None:
    """100 + 10 + 7 yuan beside each other are what all the type's cases may spend; a package of 10 % is 11.70 yuan."""
    region = lined(
        tmp_path,
        "310,,2025,100,1,,示范取值",
        f"310,{BIRTH},2025,10,1,,示范取值",
        f"310,{FAR},2025,7,1,,示范取值",
    )
    assert type_budgets(region, 2025).to_pylist() == [
        {"insurance_type": "310", "fund_fen": 11_700, "version": 1}
    ]
    package = {
        "alliance_id": "A1", "insurance_type": "310", "form": "budget_share", "by_county": False, "insured": 0,
        "per_capita_fen": 0, "serious_illness_per_head_fen": 0, "risk_reserve_e4": 0, "budget_share_e6": 100_000,
    }  # fmt: skip
    pools = [{"insurance_type": "310", "budget_line": line, "fund_fen": fen}
             for line, fen in (("", 10_000), (BIRTH, 1000), (FAR, 700))]  # fmt: skip
    with engine(tmp_path) as con:
        con.register("alliance_packages", pa.Table.from_pylist([package]))
        con.register("budgets", pa.Table.from_pylist(pools))
        (one,) = table(con, "alliance/package_year").to_pylist()
    assert one["package_year_fen"] == 1170


def test_lines_and_values_that_do_not_fit_are_told(tmp_path: Path) -> None:
    both = ("310,,2025,100,1,,示范取值",)
    assert [one.message for one in check_clearing(lined(tmp_path / "1", *both))] == []
    (one,) = check_clearing(lined(tmp_path / "2", *both, lines_as_priced=[FAR, "康复"]))
    assert "lines_as_priced 的预算单列 康复 在 scope 里没有" in one.message
    (one,) = check_clearing(lined(tmp_path / "3", *both, lines_as_priced=[]))
    assert "预算单列 跨省异地 的病例按项目付，没有点值（费率）可以浮动" in one.message
    assert list(check_clearing(lined(tmp_path / "4", *both, value="fixed", lines_as_priced=[]))) == []
    with pytest.raises(ValueError, match="value 为 fixed 时各预算单列都按月度价格"):
        ClearingEntry.model_validate(law(value="fixed", lines_as_priced=[FAR]))


def test_the_header_without_lines_stays_good(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    budgets("310,2025,100,1,,示范取值")(folder)
    (one,) = load_region(f"{folder}/").budgets
    assert one.pool == ("310", "")
    with pytest.raises(
        ConfigurationError, match=re.escape("应为 insurance_type,budget_line,year,fund,version")
    ):
        budgets(header="insurance_type,year,fund,version,reason,source,budget_line")(folder)
        load_region(f"{folder}/")


def test_a_month_is_solved_by_pool(tmp_path: Path) -> None:
    """Rate 1,000 at level 二级. Main: A of S 1,000; 生育: B of S 1,000; difference method, all recorded, so a fund of 1,100
    yuan wants rates × 1.1 of A alone, and 900 × 0.9 of B alone; together they would share 2,000."""
    scope = dated(rules=[{"name": "生育", "care_type": ["52"], "treatment": "include", "budget_line": BIRTH}])
    one_rate = plain_pack(
        rates=[dated(values={"310": {"二级": "1000"}})],
        coefficients=[dated(by_level={"二级": "1"})],
        scope=[scope],
    )
    cases = [Case("A", "AA", 100_000, 100_000), Case("B", "AA", 100_000, 100_000, care_type="52")]
    with priced(write_pack(tmp_path / "pack", one_rate, {"AA": "1"}), cases, tmp_path / "run"):
        (tmp_path / "run" / "manifest.json").write_text("{}", encoding="utf-8")
    main, birth = solve(tmp_path / "run", {"310": 110_000, f"310/{BIRTH}": 90_000}, {})
    assert (main.value, birth.value) == (Fraction(11, 10), Fraction(9, 10))
