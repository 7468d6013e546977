"""Drafted packs: every area drafts and passes `check --draft`, or is refused with its blank; numbers are the table's."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT, in_process

from pipeline.areas import area_folder, read_areas, read_drafting, read_families
from pipeline.pack import BLANKS, Pack
from pipeline.region import Region, load_region
from pipeline.region_draft import drafted_areas, write_draft
from pipeline.region_draft_check import review_region
from pipeline.region_draft_rules import Terms, terms_of
from pipeline.region_schema import TITLES, schema_text
from pipeline.schemes import Scheme, schemes_of

CODES = {"职工": "310", "居民": "390"}
MONEY = {"rate": "rates", "point_value": "point_values"}


@pytest.fixture(scope="session")
def drafts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Terms, Region]]:
    """Every area of the table, drafted with its blanks and read back."""
    root, families, drafting = tmp_path_factory.mktemp("drafts"), read_families(), read_drafting()
    found = {}
    for number, area in enumerate(read_areas().values()):
        terms = terms_of(area, families, drafting)
        write_draft("trial", terms, root / str(number), drafting)
        found[area.label] = (terms, load_region(f"{root / str(number)}/"))
    return found


@pytest.fixture(scope="session")
def one_scheme(drafts: dict[str, tuple[Terms, Region]]) -> dict[str, Scheme]:
    return schemes_of(drafts["镇江"][1])


def test_every_area_passes_as_a_draft_or_fails_by_its_blank(
    drafts: dict[str, tuple[Terms, Region]], one_scheme: dict[str, Scheme]
) -> None:
    for label, (terms, region) in drafts.items():
        problems, _ = review_region(region, draft=True, schemes_for=lambda _: one_scheme)
        errors = [problem for problem in problems if problem.severity == "error"]
        assert {problem.where for problem in errors} == {f"to_supply 的 {item}" for item in terms.blanks}, (
            label
        )
        told = {problem.severity for problem in problems}
        assert told >= {"supply", "unverified"}, label
        strict, _ = review_region(region, schemes_for=lambda _: one_scheme)
        assert {problem.severity for problem in strict} <= {"error", "warning"}
        wanted = len(region.pack.to_supply) + len(region.pack.unverified)
        assert sum(problem.severity == "error" for problem in strict) == wanted, label


def test_list_of_areas_tells_the_same(drafts: dict[str, tuple[Terms, Region]]) -> None:
    listed = drafted_areas()
    assert [one.blanks for one in listed] == [terms.blanks for terms, _ in drafts.values()]
    assert all(set(one.blanks) <= set(BLANKS) for one in listed)
    by_label = {one.label: one for one in listed}
    # area_rules.csv: 镇江 has every cell but coefficients; 金华 no high_inclusive; 昆明 no thresholds at all
    assert by_label["镇江"].complete and list(by_label["金华"].blanks) == ["high_inclusive"]
    assert set(by_label["昆明"].blanks) == {"low_threshold", "low_inclusive", "high_inclusive", "high_bands"}
    # 六安 names the level 三级 in its bands and prints the rate of 二级 only
    assert by_label["六安"].blanks == {"rates": "没有 三级 的费率"}


def printed(label: str, kind: str) -> list[dict[str, str]]:
    """The rows of numbers.csv, read beside the program."""
    with (area_folder() / "numbers.csv").open(encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["label"] == label and row["kind"] == kind]


def wanted(rows: list[dict[str, str]]) -> dict[tuple[str, str], Decimal]:
    """(insurance code, level) → number; a number without insurance type is for both."""
    return {
        (code, row["level"]): Decimal(row["value"])
        for row in rows for title, code in CODES.items() if row["insurance_type"] in ("", title)
    }  # fmt: skip


def flat(values: dict[str, Any]) -> Iterator[tuple[tuple[str, str], Decimal]]:
    for code, by in values.items():
        for level, number in by.items() if isinstance(by, dict) else (("", by),):
            yield (code, level), number


def test_numbers_of_the_drafts_are_the_tables(drafts: dict[str, tuple[Terms, Region]]) -> None:
    checked = 0
    for label, (terms, region) in drafts.items():
        pack = region.pack
        for kind, key in MONEY.items():
            if entries := getattr(pack, key):
                assert dict(flat(entries[0].values)) == wanted(printed(label, kind)), label
                checked += 1
        if pack.point_scale:
            assert str(pack.point_scale[0].area_mean_cost) == terms.area.texts["area_mean_cost_yuan"]
        if pack.coefficients:
            rows = [row for row in printed(label, "coefficient") if row["level"]]
            levels = {row["level"] for row in rows}
            assert set(pack.coefficients[0].by_level) == levels
            for row in rows:
                found = pack.coefficients[0].by_level[row["level"]]
                code = CODES.get(row["insurance_type"], "")
                assert str(found[code] if isinstance(found, dict) else found) == row["value"]
        if pack.ratio:
            ratio, rows = pack.ratio[0], printed(label, "high_band")
            bands = [
                (band.level or "", str(band.weight_le or ""), str(band.threshold)) for band in ratio.high
            ]
            assert bands == [(row["level"], row["weight_le"], row["value"]) for row in rows], label
            texts = terms.area.texts
            assert str(ratio.lows[0].threshold) == texts["low_threshold"]
            assert ratio.lows[0].inclusive == (texts["low_inclusive"] == "yes")
            assert {band.inclusive for band in ratio.high} == {texts["high_inclusive"] == "yes"}
            assert ratio.reference == texts["ratio_reference"]
            checked += 1
    assert checked > 200  # 78 complete areas with a ratio, and nearly every area with rates or point values


def test_every_entry_of_a_draft_is_unverified_and_names_its_row(
    drafts: dict[str, tuple[Terms, Region]],
) -> None:
    for label, (_, region) in drafts.items():
        raw = yaml.safe_load((region.folder / "region.yaml").read_text(encoding="utf-8"))
        dated = [
            entry
            for part in raw.values()
            if isinstance(part, list)
            for entry in part
            if isinstance(entry, dict)
        ]
        assert dated and all(entry.get("unverified") for entry in dated)
        assert all(f"「{label}」一行" in entry["source"] for entry in dated if "name" not in entry)


def test_disputed_values_say_so(drafts: dict[str, tuple[Terms, Region]]) -> None:
    """facts/README.md: 周口 and 盘锦. The vector P02 takes 0.35 and the reference without coefficient for 周口."""
    told = {
        label: [entry.unverified for key, entry in region.pack.unverified if key == "ratio"]
        for label, (_, region) in drafts.items()
    }
    assert "0.35" in str(told["周口"]) and "Cap" in str(told["盘锦"])
    assert {label for label, texts in told.items() if "有争议" in str(texts)} == {"周口", "盘锦"}


# What the families are worth at F 30000, S 10000 with c 0.8, K 2: by hand from the text of the table.
# excess_share at x with coefficient is 3: S·(1 + 0.7·(3 − 2)) = 17000; S·(1.7 + 0.5) = 22000; S·(3 − 2 + 1) = 20000
# minus_fixed 1: F − S = 20000, 0.4: 26000; keep_excess: F − (2 − 1)·S = 20000
FAMILIES = {
    "S*(1+0.7*(x-K))": 17000, "S*(1.7+0.5*(x-K))": 22000, "S*(x-K+1)": 20000, "F-S": 20000, "F-0.4*S": 26000,
    "F-(K-1)*S": 20000, "ACTUAL": 30000, "AS_NORMAL": 10000,
}  # fmt: skip


@pytest.mark.parametrize("text", FAMILIES)
def test_families_of_the_table_pay_what_they_say(text: str) -> None:
    from pipeline.pack_pricing import Band

    written = read_families()["high"][text]
    band = Band(threshold="2", inclusive=False, **{k: v for k, v in written.items() if k != "methods"})
    s, f, x, k = Fraction(10000), Fraction(30000), Fraction(3), Fraction(2)
    b, q, m = Fraction(band.base), Fraction(band.share or 0), Fraction(band.factor or 0)
    pays = {
        "actual": f, "as_normal": s, "excess_share": s * (b + q * (x - k)), "minus_fixed": f - m * s,
        "keep_excess": f - (k - 1) * s,
    }  # fmt: skip
    assert pays[band.family] == FAMILIES[text]


def test_one_family_is_the_same_only_without_coefficient() -> None:
    """F*c-(K-1)*w*c*rate, F 30000, w·rate 10000, c 0.8, K 2: 24000 − 8000 = 16000; x = 3, S·(3 − 2 + 1) = 16000."""
    w_rate, c, fee, k = Fraction(10000), Fraction(4, 5), Fraction(30000), Fraction(2)
    assert fee * c - (k - 1) * w_rate * c == w_rate * c * (fee / w_rate - k + 1) == 16000
    assert fee * c - (k - 1) * w_rate * c != w_rate * c * (fee / (w_rate * c) - k + 1)
    written = read_families()["high"]["F*c-(K-1)*w*c*rate"]
    assert written["references"] == ["without_coefficient"]


def test_special_rules_of_yunnan(drafts: dict[str, tuple[Terms, Region]]) -> None:
    """LOS ≥ 60 as billed, LOS > 20 and x > 1 at 1.1·S; 西双版纳 has no 1.1 and death within 3 days instead."""
    rules = {
        label: drafts[label][1].pack.special_rules[0].rules for label in ("昆明", "西双版纳", "楚雄", "定州")
    }
    first, second = rules["昆明"]
    assert (first.stay_ge, first.treatment) == (60, "by_item")
    assert (second.stay_gt, second.x_gt, second.treatment, second.factor) == (20, 1, "factor", Decimal("1.1"))
    assert [(rule.stay_ge, rule.stay_le, rule.discharge_way) for rule in rules["西双版纳"]] == [
        (60, None, None), (None, 3, ["5"]),
    ]  # fmt: skip
    assert [(rule.discharge_way, rule.stay_le) for rule in rules["楚雄"]] == [(["5"], None), (["2"], 3)]
    assert [(rule.stay_lt, rule.stay_gt) for rule in rules["定州"]] == [(2, None), (None, 60)]


def test_points_by_the_rate_method_have_no_meaning() -> None:
    """No row does so; one that did would be named, not approximated."""
    from dataclasses import replace

    area = read_areas()["镇江"]
    numbers = tuple(replace(number, kind="rate") for number in area.of("point_value")) + tuple(
        area.of("high_band")
    )
    terms = terms_of(replace(area, numbers=numbers), read_families(), read_drafting())
    assert terms.method == "rate" and "没有意义" in terms.blanks["low_settlement"]


# --- the commands


def test_new_then_check(tmp_path: Path) -> None:
    target = tmp_path / "our-city"
    made = in_process("regions", "new", "our-city", "--like", "枣庄", "--out", str(target))
    assert made.code == 0 and str(target / "README.md") in made.out
    files = {path.name for path in target.iterdir()}
    assert files == {"region.yaml", "hospitals.csv", "README.md", "region.schema.json"}
    said = in_process("regions", "check", f"{target}/", "--draft")
    assert said.code == 0 and "[待补]" in said.out and "[未核实]" in said.out and "[错误]" not in said.out
    strict = in_process("regions", "check", f"{target}/")
    assert strict.code == 10 and "[待补]" not in strict.out and "[错误]" in strict.out
    readme = (target / "README.md").read_text(encoding="utf-8")
    for item in load_region(f"{target}/").pack.to_supply:
        assert f"| `{item}` |" in readme
    again = tmp_path / "again"
    in_process("regions", "new", "our-city", "--like", "枣庄", "--out", str(again))
    assert all((again / name).read_bytes() == (target / name).read_bytes() for name in files)


def test_blanks_are_refused_unless_allowed_and_then_fail(tmp_path: Path) -> None:
    target = tmp_path / "our-city"
    said = in_process("regions", "new", "our-city", "--like", "金华", "--out", str(target))
    assert (
        said.code == 2
        and "high_inclusive" in said.err
        and "--allow-blanks" in said.err
        and not target.exists()
    )
    made = in_process("regions", "new", "our-city", "--like", "金华", "--out", str(target), "--allow-blanks")
    assert made.code == 0
    text = (target / "region.yaml").read_text(encoding="utf-8")
    assert "{weight_le: 1.0, threshold: 3.0, inclusive: ？, family: linear_add}" in text
    checked = in_process("regions", "check", f"{target}/", "--draft")
    assert checked.code == 10 and "to_supply 的 high_inclusive" in checked.out
    # filled in by the city as the comment says: the draft passes
    lines = text.splitlines()
    start = next(
        number for number, line in enumerate(lines) if line.startswith("# ratio:  ") or line == "# ratio:"
    )
    while lines[start].startswith("# "):
        lines[start] = lines[start].removeprefix("# ").replace("？", "false")
        start += 1
    filled = "\n".join(line for line in lines if not line.startswith("  - high_inclusive"))
    (target / "region.yaml").write_text(filled + "\n", encoding="utf-8")
    assert in_process("regions", "check", f"{target}/", "--draft").code == 0


def completed(text: str) -> str:
    """A draft as a city completes it: the templates taken out of their comments, every open item cleared."""
    lines, in_template, in_supply = [], False, False
    for line in text.splitlines():
        in_supply = line.startswith("to_supply:") or (in_supply and line.startswith("  - "))
        if re.match(r"# \w+ 待补：", line):
            in_template = True
        elif in_template and line.startswith("# "):
            lines.append(line.removeprefix("# "))
        elif not in_supply and "unverified: " not in line:
            in_template = False
            lines.append(line)
    filled = (
        "\n".join(lines)
        .replace("prepay_ratio: 比例", "prepay_ratio: 0.9")
        .replace("deposit_rate: 比例", "deposit_rate: 0.05")
    )
    return filled.replace("{级别: 系数}", "{二级A类: 1}").replace("{医院编号: 系数}", "{}") + "\n"


def test_a_draft_that_the_city_completes_passes_without_mercy(tmp_path: Path) -> None:
    """The demo's weights and one hospital stand for the city's."""
    target = tmp_path / "our-city"
    in_process("regions", "new", "our-city", "--like", "烟台", "--out", str(target))
    path = target / "region.yaml"
    path.write_text(completed(path.read_text(encoding="utf-8")), encoding="utf-8")
    weights = (ROOT / "configs/regions/demo-rate/weights-2025.csv").read_text(encoding="utf-8")
    (target / "weights.csv").write_text(weights, encoding="utf-8")
    said = in_process("regions", "check", f"{target}/")
    assert said.code == 10 and "医院表是空的" in said.out
    with (target / "hospitals.csv").open("a", encoding="utf-8") as file:
        file.write("H1,某医院,二级A类,甲等,449901,2020-01-01,\n")
    said = in_process("regions", "check", f"{target}/")
    assert said.code == 0 and "[错误]" not in said.out, said.out + said.err


@pytest.mark.parametrize(
    ("name", "like", "taken", "told"),
    [
        ("our-city", "亚特兰蒂斯", False, "没有这个地区"),
        ("our-city", "太原", False, "太原2026"),
        ("a/b", "镇江", False, "地区名写法不对：`a/b`"),
        ("本市", "镇江", False, "地区名写法不对"),
        ("our-city", "镇江", True, "文件夹已存在"),
    ],
)
def test_slips_of_new_are_one_sentence(tmp_path: Path, name: str, like: str, taken: bool, told: str) -> None:
    target = tmp_path / "target"
    if taken:
        target.mkdir()
    said = in_process("regions", "new", name, "--like", like, "--out", str(target))
    assert said.code == 2 and told in said.err and "请" in said.err and said.err.count("\n") == 1
    assert taken or not target.exists()


@pytest.mark.parametrize("command", ["run", "validate"])
def test_a_draft_does_not_run(tmp_path: Path, command: str) -> None:
    target = tmp_path / "our-city"
    in_process("regions", "new", "our-city", "--like", "镇江", "--out", str(target))
    sample = str(ROOT / "data/samples/demo-rate")
    out = ["--out", str(tmp_path / "out")] if command == "run" else []
    said = in_process(command, f"{target}/", "--period", "2026-01", "--input", sample, *out)
    assert said.code == 10 and "还是草稿，不能结算" in said.err and said.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_high_threshold_below_the_low_one_is_found_in_a_draft(tmp_path: Path) -> None:
    target = tmp_path / "our-city"
    in_process("regions", "new", "our-city", "--like", "镇江", "--out", str(target))
    path = target / "region.yaml"
    path.write_text(
        path.read_text(encoding="utf-8").replace("threshold: 2.0", "threshold: 0.2"), encoding="utf-8"
    )
    said = in_process("regions", "check", f"{target}/", "--draft")
    assert said.code == 10 and "高倍率界限不大于低倍率界限" in said.out


def test_a_scale_is_asked_for_once_it_is_not_listed(tmp_path: Path) -> None:
    target = tmp_path / "our-city"
    in_process("regions", "new", "our-city", "--like", "镇江", "--out", str(target))
    path = target / "region.yaml"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(line for line in lines if "  - point_scale" not in line), encoding="utf-8")
    said = in_process("regions", "check", f"{target}/", "--draft")
    assert said.code == 10 and "point_scale 缺 scale" in said.err


def test_areas_are_listed() -> None:
    rows = json.loads(in_process("regions", "areas", "--json").out)
    assert len(rows) == 148 and rows[0]["label"] == "榆林"
    said = in_process("regions", "areas").out
    assert "金华  points  缺 high_inclusive（表中空白）" in said and "共 148 行" in said


def test_schema_is_the_one_that_is_shipped() -> None:
    shipped = (ROOT / "configs/region.schema.json").read_text(encoding="utf-8")
    assert shipped == schema_text() == in_process("regions", "schema").out, "run `make docs`"
    schema = json.loads(shipped)
    assert set(schema["properties"]) == set(Pack.model_fields)
    assert schema["properties"]["ratio"]["title"] == TITLES["ratio"]
    assert schema["additionalProperties"] is False
    known = {
        *Pack.model_fields,
        *(key for part in schema["$defs"].values() for key in part.get("properties", {})),
    }
    assert set(TITLES) <= known
