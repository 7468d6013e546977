"""An entry added to region.yaml: its own text and not a byte more, in whatever form the list is written."""

from __future__ import annotations

import datetime as dt

import pytest

from pipeline.errors import ConfigurationError
from pipeline.pack_text import with_entry
from pipeline.region import config_root, exact_yaml

ENTRY = {
    "from": "2025-07-01", "file": "w-1.csv", "scheme": "chs-drg-2.0", "source": '文号〔2025〕3号："甲"、\\乙: #丙',
}  # fmt: skip
WRITTEN = ENTRY | {"from": dt.date(2025, 7, 1)}

BLOCK = """a: 1   # one
weights:                          # of groups
    -   from: 2025-01-01
        file: w.csv   # first
        # about the scheme
        scheme: s
        source: 出处一二

    # the second
    - from: 2025-09-01
      file: v.csv
      scheme: s
      source: |
        两行
        文字

# after
rates: [1.50]
"""


def test_behind_the_first_of_a_block_list_nothing_else_moves() -> None:
    made = with_entry(BLOCK, "weights", 0, ENTRY)
    head, tail = BLOCK.split("出处一二\n")
    assert made.startswith(head + "出处一二\n    -   from: 2025-07-01\n        file: w-1.csv\n")
    assert made.endswith(tail) and len(made) > len(BLOCK)
    wanted = exact_yaml(BLOCK)
    wanted["weights"].insert(1, WRITTEN)
    assert exact_yaml(made) == wanted


def test_behind_a_block_of_text() -> None:
    made = exact_yaml(with_entry(BLOCK, "weights", 1, ENTRY))
    assert made["weights"][2] == WRITTEN and made["weights"][1]["source"] == "两行\n文字\n"
    assert made["rates"] == exact_yaml(BLOCK)["rates"]


FORMS = {
    "in brackets": "weights: [{from: 2025-01-01, file: w.csv}]  # kept\nb: 1\n",
    "in braces over two lines": "weights:\n  - {from: 2025-01-01,\n     file: w.csv}  # kept\nb: 1\n",
    "dashes at the margin": "weights:\n- from: 2025-01-01\n  file: w.csv  # kept\nb: 1\n",
    "last and without an end": "b: 1  # kept\nweights:\n  - from: 2025-01-01\n    file: w.csv",
    "lines that end as on Windows": "weights:\r\n  - from: 2025-01-01\r\n    file: w.csv  # kept\r\nb: 1\r\n",
    "with a mark of its bytes": "\ufeffweights:\n  - from: 2025-01-01\n    file: w.csv  # kept\nb: 1\n",
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_reads_as_one_entry_more(name: str) -> None:
    text = FORMS[name]
    made = with_entry(text, "weights", 0, ENTRY)
    assert exact_yaml(made) == {
        "weights": [{"from": dt.date(2025, 1, 1), "file": "w.csv"}, WRITTEN],
        "b": 1,
    }
    assert "# kept" in made and ("\r\n" in text) == ("\r\n" in made)
    if "\r\n" in made:
        assert made.count("\n") == made.count("\r\n")


@pytest.mark.parametrize("name", ["demo-rate", "demo-points", "demo-dip"])
def test_our_own_packs_keep_every_line(name: str) -> None:
    text = (config_root() / "regions" / name / "region.yaml").read_text(encoding="utf-8")
    made = with_entry(text, "weights", 0, ENTRY)
    lines = made.splitlines()
    place = lines.index("  - from: 2025-07-01", lines.index("weights:"))
    del lines[place : place + len(ENTRY)]
    assert "\n".join(lines) + "\n" == text  # every comment and blank line where it was


def test_words_that_yaml_reads_as_something_else_stay_texts() -> None:
    made = with_entry("weights:\n  - a: b\n", "weights", 0, {"file": "no", "scheme": "2025", "source": "1e3"})
    assert exact_yaml(made)["weights"][1] == {"file": "no", "scheme": "2025", "source": "1e3"}


def test_a_list_that_is_none_is_refused() -> None:
    for text in ("weights: []\n", "weights: {a: 1}\n", "rates: [1]\n", "- weights\n"):
        with pytest.raises(ConfigurationError, match="找不到列表 `weights`"):
            with_entry(text, "weights", 0, ENTRY)
