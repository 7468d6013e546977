"""What a trial clearing (试算) changes: other budgets from the command line, another method from a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from pipeline.clear_ground import Trial
from pipeline.errors import ConfigurationError, UsageMistake
from pipeline.pack_clearing import ClearingEntry
from pipeline.region import first_mistake, read_yaml
from pipeline.solve import yuan_of


def trial_of(budgets: Sequence[str], clearing: Path | None, wanted: bool = False) -> Trial:
    """The trial that the command line asks for; one without changes is the clearing itself.

    `budgets`: `310=170000000`, of a budget line `310/line=…`; `clearing`: a file with one entry of the key `clearing`,
    its date and source included; `wanted`: a trial by the pack as it stands.
    Raises UsageMistake, ConfigurationError for what cannot be read.
    """
    funds: dict[str, int] = {}
    for text in budgets:
        insurance_type, found, yuan = text.partition("=")
        if not found:
            raise UsageMistake(f"预算写法不对：`{text[:40]}`；应为 险种=元，如 310=170000000")
        funds[insurance_type.strip()] = yuan_of(yuan.strip())
    entry = None
    if clearing is not None:
        told = read_yaml(clearing)
        try:
            entry = ClearingEntry.model_validate(told)
        except ValidationError as error:
            raise ConfigurationError(
                f"清算办法有误：{clearing}，{first_mistake(error)}；写法见 docs/region.md 的 clearing"
            ) from error
    return Trial(entry, funds or None, wanted)
