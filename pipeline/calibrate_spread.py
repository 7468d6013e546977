"""How far costs lie apart: CV of a group, RIV of a grouping, and sums of many fractions; exact to the last step.

CV = √(n·Σx² − (Σx)²) ÷ Σx, the population's standard deviation over the mean. RIV (Reduction in Variance) =
1 − Σ_g Σ(x − m_g)² ÷ Σ(x − M)², where Σ(x − m)² = Σx² − (Σx)² ÷ n. Source: CHS-DRG 分组与付费技术规范.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from pipeline.calibrate_cost import square_root
from pipeline.invariance import half_away

RIV_DIGITS = 4


@dataclass(frozen=True)
class Spread:
    """Cases, their sum in fen and sum of squares in fen²."""

    cases: int
    fen: int
    squares: int

    @property
    def within(self) -> Fraction:
        """Σ(x − mean)²; 0 without cases."""
        return Fraction(self.cases * self.squares - self.fen**2, self.cases) if self.cases else Fraction()

    @property
    def cv(self) -> Decimal | None:
        """Four digits; None without cost."""
        if self.fen <= 0:
            return None
        return square_root(Fraction(self.cases * self.squares - self.fen**2, self.fen**2))

    def cv_above(self, limit: Decimal) -> bool:
        """Whether the unrounded CV exceeds a limit."""
        spread = self.cases * self.squares - self.fen**2
        return spread > Fraction(limit) ** 2 * self.fen**2


def riv(groups: Iterable[Spread]) -> Fraction | None:
    """RIV of a grouping; None where all costs are alike (or there are none), since there is nothing to explain."""
    known = [one for one in groups if one.cases]
    whole = Spread(
        sum(one.cases for one in known), sum(one.fen for one in known), sum(one.squares for one in known)
    )
    if not whole.within:
        return None
    return 1 - total([one.within for one in known]) / whole.within


def shown_riv(value: Fraction | None) -> str:
    """Four digits; a dash where it is not defined."""
    return "—" if value is None else f"{half_away(value, RIV_DIGITS):f}"


def total(values: Sequence[Fraction]) -> Fraction:
    """The sum of many fractions, by halves, so that denominators grow as late as they can."""
    if len(values) <= 2:
        return sum(values, Fraction())
    middle = len(values) // 2
    return total(values[:middle]) + total(values[middle:])
