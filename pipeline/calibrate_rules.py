"""Rules of building a DIP catalogue: a closed YAML file, every value with its source.

The national defaults are `data/calibration/dip-catalogue.yaml`; a city gives its own file in the same form.
Source: DIP 技术规范 第三、五章.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from groupers.scheme import data_root
from pipeline.errors import ConfigurationError

SHARE_DIGITS = 4  # shares are handed to SQL as ten-thousandths
MOST_DIGITS = 6  # what a catalogue may print

Share = Annotated[Decimal, Field(ge=0, le=1, decimal_places=SHARE_DIGITS)]
Count = Annotated[int, Field(ge=1, strict=True)]
Digits = Annotated[int, Field(ge=0, le=MOST_DIGITS, strict=True)]


class ClosedRules(BaseModel):
    """Rules of a file in which an unknown item is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Trim(ClosedRules):
    """Costs outside the two nearest ranks are left out, per row and year; below `least` cases none is."""

    low: Share
    high: Share
    least: Count

    @model_validator(mode="after")
    def _low_before_high(self) -> Trim:
        if self.low >= self.high:
            raise ValueError(f"low {self.low} 应小于 high {self.high}")
        return self


class Score(ClosedRules):
    """What a row's mean cost is divided by, and how the score is printed."""

    method: Literal["mean", "benchmark", "fixed"]
    scale: Count
    benchmark_row: str | None
    fixed_amount_yuan: Annotated[Decimal, Field(gt=0, decimal_places=2)] | None
    digits: Digits

    @model_validator(mode="after")
    def _complete(self) -> Score:
        wanted = {"benchmark": "benchmark_row", "fixed": "fixed_amount_yuan"}.get(self.method)
        if wanted and not getattr(self, wanted):
            raise ValueError(f"method 为 {self.method} 时要写 {wanted}")
        return self


class Coefficients(ClosedRules):
    """Level coefficients: what the level's mean is divided by, and what a level of few cases gets."""

    reference: Literal["overall", "highest_level"]
    least_cases: Count
    thin: Literal["blank", "level_mean"]
    digits: Digits


class BaseRows(ClosedRules):
    """Base diseases (基层病种): levels that cost alike. `levels` empty: all levels of the region."""

    cv_at_most: Annotated[Decimal, Field(ge=0, le=10, decimal_places=SHARE_DIGITS)]
    least_cases_per_level: Count
    levels: tuple[str, ...]


class SourcedRules(ClosedRules):
    """A whole file: every item has its source under its name."""

    sources: dict[str, str]

    @model_validator(mode="after")
    def _every_value_has_a_source(self) -> SourcedRules:
        values = [name for name in type(self).model_fields if name != "sources"]
        without = [name for name in values if len(self.sources.get(name, "")) < 4]
        if without:
            raise ValueError(f"sources 里没有 {'、'.join(without)} 的出处；没有公开出处请写「示范取值」")
        unknown = sorted(set(self.sources) - set(values))
        if unknown:
            raise ValueError(f"sources 里有不认识的项 {'、'.join(unknown)}")
        return self


class Rules(SourcedRules):
    """The whole file. Years are twelve-month windows; `year_weights` go from the oldest to the latest."""

    year_weights: Annotated[tuple[Count, ...], Field(min_length=1, max_length=10)]
    threshold: Count
    related_rise: Annotated[Decimal, Field(ge=0, le=100, decimal_places=SHARE_DIGITS)]
    pooled_threshold: Count
    trim: Trim
    score: Score
    coefficients: Coefficients
    base: BaseRows | None
    fee: Literal["total", "total_less_separate"]
    shortest_history_months: Count
    fewest_hospitals: Count


def default_rules_file() -> Path:
    """The national defaults that come with the package."""
    return data_root() / "calibration" / "dip-catalogue.yaml"


def load_rules(path: Path | None = None) -> Rules:
    """Read a rules file, by default the national one. Raises ConfigurationError naming the item."""
    return read_rules(path or default_rules_file(), Rules, "docs/dip.md")


Model = TypeVar("Model", bound=SourcedRules)


def read_rules(path: Path, model: type[Model], page: str) -> Model:
    """A rules file of one form; `page` explains it. Raises ConfigurationError naming the item."""
    try:
        return model.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise ConfigurationError(
            f"测算规则有误：{path}，{_first_mistake(error)}；请对照 {page} 更正"
        ) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"测算规则读不出来：{path}（{type(error).__name__}）；请检查文件") from error


def _first_mistake(error: ValidationError) -> str:
    found = error.errors()
    # A mistyped key is both unknown and missing: the unknown one says what was typed.
    first = next((one for one in found if one["type"] == "extra_forbidden"), found[0])
    key = ".".join(str(part) for part in first["loc"]) or "（全文）"
    if first["type"] == "extra_forbidden":
        return f"不认识的项 `{key}`"
    if first["type"] == "missing":
        return f"缺少项 `{key}`"
    if first["type"] == "value_error":
        return f"项 `{key}`：{first['ctx']['error']}"
    return f"项 `{key}` 的值不合要求，实为 `{str(first['input'])[:40]}`"
