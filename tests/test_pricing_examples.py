"""docs/pricing-examples.md: every number on the page is worked out again and priced by the run's own SQL."""

from __future__ import annotations

import ast
import json
import operator
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from pipeline.pack import Method
from pipeline.pack_paths import Treatment
from pipeline.pack_pricing import BaseGroupsEntry, Family, FundShareEntry, RatioEntry
from tests.pricing_apart import Trial, priced_apart
from tests.pricing_fixtures import HOSPITALS, SOURCE, Case, dated, dip_pack, plain_pack
from tests.pricing_rule_packs import points_pack, published_pack
from tests.pricing_twin import Found
from tests.reference.price_case import Printed, half_away

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/pricing-examples.md").read_text(encoding="utf-8")
# beside the checkout, or beside the folder of worktrees
FACTS = [ROOT.parents[up] / "shared/facts/payment" for up in (0, 1)]
BY_HAND = "手算"


class _AsPrinted(yaml.SafeLoader):
    """Numbers with a point stay the text that the page prints: no float."""


_AsPrinted.add_constructor("tag:yaml.org,2002:float", lambda loader, node: str(node.value))


def sections() -> Iterator[tuple[str, str]]:
    """Title and text of every example: the part under a heading of the third degree."""
    for part in PAGE.split("\n## ")[1:]:
        for example in part.split("\n### ")[1:]:
            title, text = example.split("\n", 1)
            yield f"{part.splitlines()[0]}／{title}", text


def example(text: str) -> dict[str, Any]:
    """The machine-readable block of an example."""
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", text, re.M | re.S)
    said: dict[str, Any] = yaml.load(block, _AsPrinted)
    return said


EXAMPLES = {title: example(text) for title, text in sections()}
BASES: dict[str, Callable[..., dict[str, Any]]] = {
    "rate": plain_pack, "points": points_pack, "dip": dip_pack, "published": published_pack,
}  # fmt: skip
DIGITS = {"weight": 9, "rate": 4, "coefficient": 8, "points": 4, "source": SOURCE}
FIELDS = {  # how the page names what a case has beside group, level and weight
    "fee": "total_fee_fen", "recorded": "pool_fund_fen", "separate": "separate_items_fen", "tcm_fee": "tcm_fee_fen",
    "own_pay": "ownpay_fee_fen", "over_limit": "overlimit_fee_fen", "first_pay": "firstpay_fee_fen",
    "deductible": "deductible_fen",
}  # fmt: skip
NO_MONEY = ("stay_days", "discharge_way", "place")
LEVEL_OF = {level: hospital for hospital, level in HOSPITALS.items()}


def pack_of(one: dict[str, Any]) -> dict[str, Any]:
    """The whole pack of an example: its own rules, dated, over the simplest that the method allows."""
    by_item = {"treatment": "by_item"}
    off = {"ungrouped": by_item, **({"excluded": by_item} if one["method"] == "dip" else {})}
    rules = {"off_path": off, **one["rules"]}
    pack = BASES[one["method"]](**{key: [dated(**value)] for key, value in rules.items()})
    return {**pack, "digits": DIGITS, "place_codes": {"1": "local", "4": "country"}}


def case_of(said: dict[str, Any]) -> Case:
    known = {"group", "level", "weight", "score", "auxiliary", *NO_MONEY, *FIELDS}
    assert said.keys() <= known, said.keys() - known
    money = {FIELDS[key]: fen(value) for key, value in said.items() if key in FIELDS}
    return Case("one", said.get("group", "AA"), **{
        "pool_fund_fen": 0, "hospital_id": LEVEL_OF[said.get("level", "二级")], **money,
        **{key: said[key] for key in NO_MONEY if key in said},
        "aux_e4": int(Fraction(str(said.get("auxiliary", 1))) * 10_000),
    })  # fmt: skip


def fen(yuan: object) -> int:
    exact = Decimal(str(yuan)) * 100
    assert exact == int(exact)
    return int(exact)


STEPS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip


def worked_out(line: str) -> tuple[Fraction, str]:
    """The exact value of the left side of `6 ÷ 4 = 1.5`, and the right side as printed."""
    left, right = line.split(" = ")
    text = left.replace("×", "*").replace("÷", "/").replace("−", "-")

    def value(node: ast.expr) -> Fraction:
        if isinstance(node, ast.BinOp):
            return STEPS[type(node.op)](value(node.left), value(node.right))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "max":
            return max(value(part) for part in node.args)
        assert isinstance(node, ast.Constant), ast.dump(node)
        return Fraction(str(ast.get_source_segment(text, node)))

    return value(ast.parse(text, mode="eval").body), right


def rounded(exact: Fraction, places: int) -> Fraction:
    return Fraction(half_away(exact * 10**places), 10**places)


def trial_of(one: dict[str, Any]) -> Trial:
    """An example as the SQL prices it."""
    pack, case, said = pack_of(one), case_of(one["case"]), one["case"]
    tables = one.get("tables", {})
    means = {case.drg: str(tables["mean_fee_yuan"])} if "mean_fee_yuan" in tables else {}
    standards = {(case.drg, level): text for level, text in tables.get("standard_yuan", {}).items()}
    weights = {case.drg: str(said.get("weight", said.get("score", 1)))} | {"ZZ": "1"}
    return Trial(pack, [case], weights, Printed(means=means, standards=standards))


TRIALS = {title: trial_of(one) for title, one in EXAMPLES.items()}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Found]:
    return priced_apart(TRIALS, tmp_path_factory.mktemp("examples"))


@pytest.mark.parametrize("title", EXAMPLES)
def test_an_example_is_what_the_sql_pays(found: dict[str, Found], title: str) -> None:
    """Class, ratio, points, amount and fund as printed; the reference engine says the same (`agreed`)."""
    one = EXAMPLES[title]
    if "held" in one:
        assert found[title] == Found({}, {"one": one["held"]})
        return
    row = TRIALS[title].agreed(found[title])["one"]
    exact, right = worked_out(one["pay"])
    assert half_away(exact * 100) == row["standard_fen"] and Fraction(right) * 100 == row["standard_fen"]
    if "class" in one:
        assert row["price_class"] == one["class"]
    if row["ratio_e4"] is not None and "x" in one:
        assert rounded(worked_out(one["x"])[0], 4) * 10_000 == row["ratio_e4"]
    assert ("points" in one) == bool(row["points"])  # what is paid by the fee has none
    if "points" in one:
        assert rounded(worked_out(one["points"])[0], 4) == Fraction(row["points"])
    if "fund" in one:
        exact, right = worked_out(one["fund"])
        assert half_away(exact * 100) == row["fund_fen"] == Fraction(right) * 100


@pytest.mark.parametrize("title", EXAMPLES)
def test_every_line_of_arithmetic_is_right(title: str) -> None:
    for name, places in (("x", 4), ("points", 4), ("pay", 2), ("fund", 2)):
        if name in EXAMPLES[title]:
            exact, right = worked_out(EXAMPLES[title][name])
            assert rounded(exact, places) == Fraction(right), name


def literals(annotation: Any) -> set[str]:
    found = {arg for arg in get_args(annotation) if isinstance(arg, str)}
    return found.union(*(literals(arg) for arg in get_args(annotation) if not isinstance(arg, str)))


def test_every_family_and_treatment_has_its_example() -> None:
    """What the format allows stands in some example: nothing of it is only described."""
    shown = json.dumps(list(EXAMPLES.values()), ensure_ascii=False)
    for model, key in (
        (None, "method"), (RatioEntry, "reference"), (BaseGroupsEntry, "strategy"), (Treatment, "treatment"),
    ):  # fmt: skip
        words = literals(model.model_fields[key].annotation if model else Method)
        assert words and [word for word in sorted(words) if f'"{key}": "{word}"' not in shown] == []
    families = literals(Family)
    assert [word for word in sorted(families) if f'"family": "{word}"' not in shown] == []
    methods = literals(FundShareEntry.model_fields["method"].annotation)
    assert [word for word in sorted(methods) if f'"method": "{word}"' not in shown] == []


def test_no_number_stands_outside_what_is_checked() -> None:
    """Beside the blocks the page tells rules in words: a figure there would be proved by nothing."""
    prose = re.sub(r"```.*?```", "", PAGE, flags=re.S)
    prose = re.sub(r"`[^`\n]+`|\]\([^)]*\)", "", prose)
    assert re.findall(r"[0-9]+", prose) == []


def test_a_vector_named_on_the_page_is_tested_elsewhere_too() -> None:
    """Constructed vectors stand with their source in the tests of pricing; printed ones only in the facts."""
    tests = "".join(
        (ROOT / "tests" / name).read_text(encoding="utf-8")
        for name in ("test_pricing_vectors.py", "test_pricing_dip.py")
    )
    constructed = [
        one["source"] for one in EXAMPLES.values() if re.fullmatch(r"[A-Z][0-9]{2}", one["source"])
    ]
    assert len(constructed) > 20
    assert [
        name for name in constructed if not re.search(rf'["( ]{name}\b|{name.lower()}_|{name}:', tests)
    ] == []


@pytest.mark.shared
@pytest.mark.skipif(not any(folder.is_dir() for folder in FACTS), reason="../shared is not here")
def test_amounts_are_those_of_the_vectors() -> None:
    """The amount (of fund examples the fund) stands in the vector that the example names, to the fen."""
    folder = next(folder for folder in FACTS if folder.is_dir())
    vectors = {
        one["id"]: one["expected"]
        for name in ("constructed", "official")
        for one in json.loads((folder / f"test_vectors_{name}.json").read_text(encoding="utf-8"))
    }
    for title, one in EXAMPLES.items():
        if one["source"] == BY_HAND:
            continue
        amount = Fraction(worked_out(one.get("fund", one["pay"]))[1])
        told = set(re.findall(r"[0-9]+(?:\.[0-9]+)?", json.dumps(vectors[one["source"]])))
        assert amount in {rounded(Fraction(text), 2) for text in told}, title
