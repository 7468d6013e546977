"""The clearing in a region pack: every slip of its entry and of assessments.csv is one sentence; jumps are told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.clearing_check import check_clearing
from pipeline.errors import ConfigurationError
from pipeline.problem import Problem
from pipeline.region import load_region
from pipeline.region_check import check_region
from pipeline.run import terms_and_schemes
from tests.clearing_fixtures import B01
from tests.pricing_fixtures import dated, plain_pack, write_pack
from tests.pricing_rule_packs import points_pack
from tests.region_pack_slips import copied

HEADER = "year,hospital_id,insurance_type,coefficient,deposit_return,source"


def banded(*changes: tuple[int, str, Any], measure: str | None = "fund") -> dict[str, Any]:
    """B01's bands with some keys changed: (row, key, value)."""
    rows = [dict(row) for row in B01]
    for row, key, value in changes:
        rows[row][key] = value
    return dated(value="floating", bands=rows, **({"bands_measure": measure} if measure else {}))


SLIPS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown value": (dated(value="generous"), "`clearing.0.value`：只能是 .*实为 `generous`"),
    "unknown key": (dated(value="fixed", reclasify="once"), "`clearing.0.reclasify`：不认识的项"),
    "nothing to decide by": (dated(value="fixed", reclassify="once"), "reclassify: once 要有求出的费率才能重判，value 为 fixed"),
    "no source": ({"from": "2025-01-01", "value": "fixed"}, "`clearing.0.source`：缺少此项"),
    "bands from elsewhere": (banded((0, "lo", "0.1")), "bands 须从 0 起，第一段从 0.1 起"),
    "a gap": (banded((0, "hi", "0.7")), "bands 第 1 段到 0.7，第 2 段从 0.8 起，有空档"),
    "an overlap": (banded((1, "hi", "1.05")), "bands 第 2 段到 1.05，第 3 段从 1 起，有重叠"),
    "an end too early": (banded((2, "hi", None)), "bands 第 3 段到 无穷，第 4 段从 1.1 起，有重叠"),
    "no end": (banded((3, "hi", "2")), "bands 最后一段到 2 为止；须写 hi: null"),
    "an empty band": (banded((0, "hi", "0"), (1, "lo", "0")), "bands 从 0 到 0 的一段，hi 须大于 lo"),
    "bands without measure": (banded(measure=None), "bands 与 bands_measure（fund、total）须同写或都不写"),
    "a measure without bands": (dated(value="fixed", bands_measure="fund"), "须同写或都不写"),
    "a share above one": (banded((2, "share", "70")), "`clearing.0.bands.2.share`：超出可精确计算的上限 1"),
    "a negative base": (banded((1, "base", "-1")), "`clearing.0.bands.1.base`：不得小于 0"),
    "elastic without base": (dated(value="elastic"), "elastic 须写 base_points"),
    "elastic of two kinds": (
        dated(value="elastic", base_points={"310": "9"}, fixed_values={"390": "9"}), "base_points 与 fixed_values 的险种不一致",
    ),
    "a base that is not used": (
        dated(value="fixed", base_points={"310": "9"}, fixed_values={"310": "9"}), "elastic 须写 base_points",
    ),
    "half a base": (dated(value="floating", base_points={"310": "9"}), "base_points 与 fixed_values 的险种不一致"),
    "no points at all": (
        dated(value="elastic", base_points={"310": "0"}, fixed_values={"310": "9"}), "`clearing.0.base_points.310`：须大于 0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("slip", SLIPS)
def test_an_entry_that_cannot_be_read_is_one_sentence(tmp_path: Path, slip: str) -> None:
    entry, message = SLIPS[slip]
    with pytest.raises(ConfigurationError, match=message) as caught:
        write_pack(tmp_path, plain_pack(clearing=[entry]))
    assert "请" in str(caught.value) and "\n" not in str(caught.value)


ROWS = {
    "25,H1,,1,1,考核通报": "第 2 行的年份为 `25`；请写四位数字",
    "2025,H9,,1,1,考核通报": "第 2 行的医院 `H9` 不在 hospitals.csv 中",
    "2025,H1,职工,1,1,考核通报": "第 2 行的险种 `职工` 不认识",
    "2025,H1,310,98%,1,考核通报": "第 2 行的 coefficient 为 `98%`；请写 0 至 2 的数",
    "2025,H1,310,98,1,考核通报": "第 2 行的 coefficient 为 `98`；请写 0 至 2 的数",
    "2025,H1,310,,1,考核通报": "第 2 行的 coefficient 为 ``；",
    "2025,H1,310,0.98765,1,考核通报": "至多四位小数",
    "2025,H1,310,1,1.1,考核通报": "第 2 行的 deposit_return 为 `1.1`；请写 0 至 1 的数",
    "2025,H1,310,1,1,": "第 2 行没有出处",
    "2025,H1,310,1,1,考核通报\n2025,H1,310,1,1,考核通报": "第 3 行与前面一行的年份、医院、险种相同：`H1`",
    "2025,H1,310,1": "第 2 行不足 6 列",
}  # fmt: skip


@pytest.mark.parametrize("row", ROWS)
def test_an_assessment_that_would_be_guessed_is_refused(tmp_path: Path, row: str) -> None:
    (tmp_path / "assessments.csv").write_text(f"{HEADER}\n{row}\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=ROWS[row]) as caught:
        write_pack(tmp_path, plain_pack())
    assert "assessments.csv" in str(caught.value) and "请" in str(caught.value)


def test_another_header_of_the_assessments(tmp_path: Path) -> None:
    (tmp_path / "assessments.csv").write_text("医院,系数\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=f"表头不符.*{HEADER}"):
        write_pack(tmp_path, plain_pack())


def test_every_jump_of_the_bands_is_told_with_its_amount(tmp_path: Path) -> None:
    """B01 at 0.8: 0.8 → 1.0 times S, 200,000 yuan of a million; at 1.0 and 1.1 (1 + 0.7 × 0.1 = 1.07) it does not jump."""
    region = write_pack(tmp_path, plain_pack(clearing=[banded()]))
    assert list(check_clearing(region)) == [
        Problem("warning", "2025-01-01 起的年度清算", "F/S 到 0.8 时由 0.8 倍跳到 1 倍：S 为 100 万元的医院差 20 万元"),
    ]  # fmt: skip


ELASTIC = dated(value="elastic", base_points={"310": "9", "399": "9"}, fixed_values={"310": "9", "399": "9"})
ZERO, POLICY = (
    {"method": "difference", "negative": "zero"},
    {"method": "policy", "benefit": {"310": "0.8", "390": "0.7"}},
)


@pytest.mark.parametrize(
    ("region_pack", "messages"),
    [
        (plain_pack(clearing=[ELASTIC]), ["弹性清算要有点数", "缺险种 390", "险种 399 不在 insurance_types"]),
        (points_pack(clearing=[dated(value="floating")], fund_share=[dated(**ZERO)]), ["差额法、负数记零"]),
        (points_pack(clearing=[dated(value="floating")], fund_share=[dated(**POLICY)]), ["政策法"]),
        (points_pack(clearing=[dated(value="fixed")], fund_share=[dated(**POLICY)]), []),
        (plain_pack(clearing=[dated(value="floating")]), []),
        (plain_pack(clearing=[dated(value="floating")], fund_share=[dated(to="2025-06-30", **ZERO), dated(
            **{"from": "2025-07-01"}, method="difference")]), ["2025-01-01 起的 fund_share 为差额法、负数记零"]),
    ],
)  # fmt: skip
def test_a_value_that_cannot_float_is_an_error(
    tmp_path: Path, region_pack: dict[str, Any], messages: list[str]
) -> None:
    found = list(check_clearing(write_pack(tmp_path, region_pack, {"AA": "1"})))
    assert len(found) == len(messages)
    for problem, message in zip(found, messages, strict=True):
        assert problem.severity == "error" and message in problem.where + problem.message
        assert "请" in problem.message


def test_published_standards_do_not_float(tmp_path: Path) -> None:
    """The city prints the standards: nothing in them moves."""
    standards = [dated(file="standards.csv", scheme="scheme-under-test")]
    changes: dict[str, Any] = {"weights": [], "rates": [], "coefficients": [], "standards": standards}
    off_path = [dated(ungrouped={"treatment": "by_item"}, ambiguous={"treatment": "by_item"}, groups={})]
    published = plain_pack(
        method="published", off_path=off_path, clearing=[dated(value="floating")], **changes
    )
    (problem,) = check_clearing(write_pack(tmp_path, published))
    assert "没有点值、费率可以浮动" in problem.message


def test_regions_check_tells_it(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    entry = json.dumps([banded(measure="total")], ensure_ascii=False)
    text = (folder / "region.yaml").read_text(encoding="utf-8")
    start = text.index("\nclearing:")
    end = text.index("\n\n", start + 1)
    (folder / "region.yaml").write_text(f"{text[:start]}\nclearing: {entry}{text[end:]}", encoding="utf-8")
    region = load_region(f"{folder}/")
    found = [one for one in check_region(region, *terms_and_schemes(region)) if "年度清算" in one.where]
    assert [one.severity for one in found] == ["warning"]
