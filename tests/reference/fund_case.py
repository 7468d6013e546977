"""What the fund owes of one standard, and the shares that cases of a unit have in common; from DESIGN §6."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

NOTHING = Fraction(0)


@dataclass(frozen=True)
class Recorded:
    """What a priced case brings to its unit: fee and recorded fund in fen; of a reversal with the sign turned."""

    of: str | None
    insurance_type: str
    group: str
    hospital: str
    fee_fen: int
    fund_fen: int

    @property
    def unit(self) -> tuple[str | None, str, str]:
        name = {"group": self.group, "hospital": self.hospital}.get(self.of or "", "")
        return self.of, self.insurance_type, name


def shares_of(recorded: Iterable[Recorded]) -> dict[tuple[str | None, str, str], Fraction]:
    """Σ fund recorded ÷ Σ fee of each unit; nothing where no fee is left."""
    sums: dict[tuple[str | None, str, str], tuple[int, int]] = {}
    for one in recorded:
        fund, fee = sums.get(one.unit, (0, 0))
        sums[one.unit] = fund + one.fund_fen, fee + one.fee_fen
    return {unit: Fraction(fund, fee) if fee > 0 else NOTHING for unit, (fund, fee) in sums.items()}


def owed(
    law: Mapping[str, Any], exact_fen: Fraction, level: str, case: Mapping[str, Any], share: Fraction
) -> Fraction:
    """The fund amount in fen before rounding, of the unrounded standard. `share`: that of the case's unit."""
    total, recorded = Fraction(case["total_fee_fen"]), Fraction(case["pool_fund_fen"])
    if law["method"] == "policy":
        own = sum(
            case.get(name) or 0
            for name in ("ownpay_fee_fen", "overlimit_fee_fen", "firstpay_fee_fen", "deductible_fen")
        )
        benefit = law["benefit"][case["insurance_type"]]
        benefit = benefit[level] if isinstance(benefit, Mapping) else benefit
        return max(NOTHING, exact_fen - own) * Fraction(benefit)
    if law["method"] == "ratio":
        return exact_fen * (recorded / total if law["of"] == "case" else share)
    difference = exact_fen - (total - recorded)
    return max(NOTHING, difference) if law.get("negative", "keep") == "zero" else difference


def benefit_known(law: Mapping[str, Any], insurance_type: str, level: str) -> bool:
    """Whether `policy` has a ratio for a type and level."""
    if law["method"] != "policy":
        return True
    found = law["benefit"].get(insurance_type)
    return (found.get(level) if isinstance(found, Mapping) else found) is not None
