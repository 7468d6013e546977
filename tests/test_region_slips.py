"""Every sentence of `regions check` is provoked by a slip: the code's own messages against what the slips say."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from pipeline.errors import ConfigurationError
from pipeline.region import Region, load_region
from pipeline.region_check import check_region
from pipeline.run import terms_and_schemes
from pipeline.terms import scaled
from tests import region_pack_slips as by_drg
from tests import region_pack_slips_dip as by_dip
from tests import test_pricing_refusals as by_rule
from tests.pricing_fixtures import write_pack
from tests.pricing_rule_packs import WEIGHTS, published_pack

PIPELINE = Path(__file__).parent.parent / "pipeline"
MODULES = (
    "region", "region_tables", "group_tables", "budgets", "accounts", "period_amounts", "entries", "pack", "pack_pricing", "pack_paths",
    "pack_settlement", "terms", "region_check", "ratio_check", "path_check", "catalogue_check",
)  # fmt: skip
MESSAGE_AT = {"Problem": 2, "ConfigurationError": 0, "ValueError": 0}  # which argument is the sentence
# What a run says of a pack, not `regions check`: tests/errors and test_region_draft.py have them. A draft's scale: also
# test_region_draft.py. What only a severity list asks for: test_region_pack_dip.py, which needs other tables.
ELSEWHERE = (
    "地区参数还是草稿，不能结算",
    "地区参数有错误：",
    "point_scale 缺 scale",
    "没有写 severity_scheme",
    # No pack gets there: the format bounds every number's digits and a rule's unit is that of its factors.
    "的小数位数超出可精确表示的范围",
)


def messages() -> Iterator[tuple[str, str]]:
    """(place, regular expression) of every sentence: what is filled in may be anything."""
    for name in MODULES:
        for node in ast.walk(ast.parse((PIPELINE / f"{name}.py").read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MESSAGE_AT:
                sentence = node.args[MESSAGE_AT[node.func.id]]
                if isinstance(sentence, ast.Name):  # a value that its caller puts into a sentence
                    continue
                if any(text in ast.unparse(sentence) for text in ELSEWHERE):
                    continue
                yield f"{name}.py:{node.lineno}", pattern(sentence)


def pattern(sentence: ast.expr) -> str:
    if isinstance(sentence, ast.Constant):
        return re.escape(str(sentence.value))
    assert isinstance(sentence, ast.JoinedStr), ast.dump(sentence)
    parts = (re.escape(str(one.value)) if isinstance(one, ast.Constant) else ".*" for one in sentence.values)
    return "".join(parts)


def told(region: Region) -> list[str]:
    return [one.message for one in check_region(region, *terms_and_schemes(region))]


def sentences(folder: Path) -> Iterator[str]:
    """What every slip of every museum makes `regions check` say."""
    for number, (break_it, _) in enumerate(
        [*by_drg.SLIPS.values(), *by_drg.CHECKED.values(), *by_drg.WARNED.values()]
    ):
        copy = by_drg.copied(folder / f"drg{number}")
        break_it(copy)
        yield from said_of(f"{copy}/")
    for number, (edit, _) in enumerate(
        [*by_dip.SLIPS.values(), *by_dip.CHECKED.values(), *by_dip.WARNED.values()]
    ):
        yield from said_of(by_dip.small_pack(folder / f"dip{number}", edit))
    for number, (pack, printed, _) in enumerate(by_rule.UNREADABLE.values()):
        with pytest.raises(ConfigurationError) as caught:
            write_pack(folder / f"rule{number}", pack, WEIGHTS, printed=printed)
        yield str(caught.value)
    checked = [*(pack for pack, _ in by_rule.CHECKED.values()), published_pack()]
    for number, pack in enumerate(checked):
        yield from (one.message for one in by_rule.problems(folder / f"checked{number}", pack))
    yield from said_of("nowhere")
    yield from said_of(f"{by_drg.DEMO}/region.yaml")  # the file, where its folder is meant


def said_of(name: str) -> list[str]:
    try:
        return told(load_region(name))
    except ConfigurationError as error:
        return [str(error)]


def test_messages_are_found_and_read() -> None:
    """The walk sees f-strings and plain ones, of all three kinds."""
    found = dict(messages())
    assert len(found) > 70
    assert any(
        text == re.escape("没有年度预算，年度清算、预算进度要用；请补 budgets.csv") for text in found.values()
    )
    assert any(re.fullmatch(text, "method 为 dip，缺 point_values") for text in found.values())


def test_a_number_that_would_lose_digits_stops_the_run() -> None:
    assert scaled(Decimal("-0.1234"), 10_000) == -1234
    with pytest.raises(
        ConfigurationError, match=r"0\.12345 的小数位数超出可精确表示的范围；请按公布位数填写"
    ):
        scaled(Decimal("0.12345"), 10_000)


@pytest.mark.slow
def test_every_sentence_has_a_slip(tmp_path: Path) -> None:
    said = list(sentences(tmp_path))
    assert [
        (place, text) for place, text in messages() if not any(re.search(text, one) for one in said)
    ] == []
