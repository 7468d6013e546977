"""Add one entry to a dated list of `region.yaml` and leave every other byte of it: comments, order, line ends.

Only text is inserted; whether the pack then says what it should is for the caller to prove on the parsed result.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import yaml

from pipeline.errors import ConfigurationError

DAYS = ("from", "to")  # the keys whose values are days


def with_entry(text: str, key: str, after: int, entry: Mapping[str, str]) -> str:
    """`text` with an entry in the list `key`, behind its item number `after`. Values are dates as text, or text.

    A list in block style gets a block item, one in brackets an item in braces. Raises ConfigurationError where the list
    cannot be found.
    """
    items = _items(text, key)
    if items is None:
        raise ConfigurationError(
            f"region.yaml 里找不到列表 `{key}`，添不进新的一项；请把它写成每项以 - 开头的列表"
        )
    listed, nodes = items
    written = {name: value if name in DAYS else _quoted(value) for name, value in entry.items()}
    if listed.flow_style:
        place = nodes[after].end_mark.index
        item = "{" + ", ".join(f"{name}: {value}" for name, value in written.items()) + "}"
        return f"{text[:place]}, {item}{text[place:]}"
    place = _line_end(text, nodes[after])
    start = nodes[0].start_mark
    dash = text.rindex("-", 0, start.index) - text.rfind("\n", 0, start.index) - 1
    gap = max(start.column - dash - 1, 1)
    leads = [" " * dash + "-" + " " * gap, *[" " * (dash + 1 + gap)] * (len(written) - 1)]
    end = "\r\n" if "\r\n" in text else "\n"
    lines = [
        f"{lead}{name}: {value}{end}" for lead, (name, value) in zip(leads, written.items(), strict=True)
    ]
    head = text[:place]
    return f"{head}{'' if head.endswith(end) else end}{''.join(lines)}{text[place:]}"


def _items(text: str, key: str) -> tuple[yaml.SequenceNode, list[yaml.Node]] | None:
    root = yaml.compose(text, yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        return None
    for name, value in root.value:
        if name.value == key and isinstance(value, yaml.SequenceNode) and value.value:
            return value, list(value.value)
    return None


def _line_end(text: str, node: yaml.Node) -> int:
    """Where the line ends on which an item ends; what YAML counts to it after that are blank lines and comments."""
    while isinstance(node, yaml.CollectionNode) and node.value and not node.flow_style:
        node = node.value[-1][1] if isinstance(node, yaml.MappingNode) else node.value[-1]
    place = node.end_mark.index
    if place and text[place - 1] == "\n":  # a block of text ends where the next line begins
        return place
    found = text.find("\n", place)
    return len(text) if found < 0 else found + 1


def _quoted(value: str) -> str:
    """A text that YAML reads as this text: plain where it is a file name, else in double quotes, as JSON has it."""
    named = value.isascii() and value.replace("-", "").replace("_", "").replace(".", "").isalnum()
    plain = named and yaml.safe_load(value) == value  # `no` and `2025-01-01` would not stay texts
    return value if plain else json.dumps(value, ensure_ascii=False)
