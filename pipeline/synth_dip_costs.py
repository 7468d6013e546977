"""Invented mean costs of the rows of the DIP mix: by class, chapter and a draw of every row's own.

A weight is a mean fee in units of synth_money.BASE_YUAN. All numbers are invented.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from groupers.dip.load import CONSERVATIVE
from pipeline.synth_mix import Line

CLASS_WEIGHT = {"手术": 2.0, "介入治疗": 3.2, "治疗性操作": 1.35, "诊断性操作": 1.25, CONSERVATIVE: 1.0}
CLASS_STAY = {"手术": 1.05, "介入治疗": 1.0, "治疗性操作": 1.0, "诊断性操作": 0.95, CONSERVATIVE: 0.95}
OPERATIONS = ("手术", "介入治疗")
DISEASE_SPREAD, ROW_SPREAD = 0.25, 0.28  # of the logarithm
SEVERITY_WEIGHT = (1.0, 1.22, 1.65)  # no weighty other diagnosis, CC, MCC
# A related procedure raises the mean by a little or by much, so that the rule of 10 % has both to tell apart.
SMALL_RISE, LARGE_RISE, SMALL_SHARE = (1.01, 1.07), (1.16, 1.60), 0.45
FLAT_SHARE = 0.45  # of the everyday conservative rows, those with one cost at all levels


class Asks(Protocol):
    """What the costs ask of a draft."""

    @property
    def dx4(self) -> str: ...
    @property
    def px(self) -> str: ...
    @property
    def related(self) -> tuple[str, ...]: ...
    @property
    def line(self) -> Line: ...


class Costs:
    """Mean cost, stay and level behaviour of drafts; the same for all drafts of one row."""

    def __init__(self, drafts: Sequence[Asks], class_of: Mapping[str, str], rng: np.random.Generator) -> None:
        self._class_of = class_of
        diseases = sorted({draft.dx4 for draft in drafts})
        rows = sorted({(draft.dx4, draft.px) for draft in drafts})
        steps = sorted({(draft.dx4, draft.px, code) for draft in drafts for code in draft.related})
        self._disease = dict(
            zip(diseases, np.exp(DISEASE_SPREAD * rng.standard_normal(len(diseases))), strict=True)
        )
        self._row = dict(zip(rows, np.exp(ROW_SPREAD * rng.standard_normal(len(rows))), strict=True))
        little = rng.random(len(steps)) < SMALL_SHARE
        rise = np.where(little, rng.uniform(*SMALL_RISE, len(steps)), rng.uniform(*LARGE_RISE, len(steps)))
        self._rise = dict(zip(steps, rise, strict=True))
        self._flat = dict(zip(rows, rng.random(len(rows)) < FLAT_SHARE, strict=True))

    def treatment_class(self, draft: Asks) -> str:
        return self._class_of.get(draft.px) or CONSERVATIVE

    def operated(self, draft: Asks) -> bool:
        return self.treatment_class(draft) in OPERATIONS

    def weight(self, draft: Asks, chapter: float) -> float:
        """Mean fee without weighty other diagnoses."""
        rises = [self._rise[draft.dx4, draft.px, code] for code in draft.related]
        own = self._disease[draft.dx4] * self._row[draft.dx4, draft.px]
        return float(chapter * CLASS_WEIGHT[self.treatment_class(draft)] * own * np.prod(rises))

    @staticmethod
    def by_severity(base: np.ndarray) -> np.ndarray:
        return base[:, None] * np.array(SEVERITY_WEIGHT)

    def stay_days(self, draft: Asks) -> float:
        return draft.line.stay_days * (1.0 if draft.line.dx else CLASS_STAY[self.treatment_class(draft)])

    def is_flat(self, draft: Asks) -> bool:
        """An everyday conservative row whose cost hardly differs by level."""
        return bool(draft.line.dx) and not draft.px and bool(self._flat[draft.dx4, draft.px])
