"""Every family of a region pack as a band, every treatment, and Hypothesis packs made of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from hypothesis import strategies as st

from tests.pricing_fixtures import dated

numbers = st.decimals

# A family with what it must say beside threshold and inclusiveness; both words of by_coefficient and plus.
VARIANTS: dict[str, dict[str, Any]] = {
    "actual": {"family": "actual"},
    "as_normal": {"family": "as_normal"},
    "factor": {"family": "factor", "factor": "0.7"},
    "excess_share": {"family": "excess_share", "base": "1.7", "share": "0.5"},
    "keep_excess": {"family": "keep_excess"},
    "minus_fixed": {"family": "minus_fixed", "factor": "0.3333"},
    "cap": {"family": "cap"},
    "points": {"family": "points"},
    "linear_add": {"family": "linear_add"},
    "deduct": {"family": "deduct"},
    "deviation": {"family": "deviation", "by_coefficient": False},
    "deviation × c": {"family": "deviation", "by_coefficient": True},
    "deviation_excess + 1": {"family": "deviation_excess", "plus": "one"},
    "deviation_excess + c": {"family": "deviation_excess", "plus": "coefficient"},
}
TREATMENTS: dict[str, dict[str, str]] = {
    "table_weight": {}, "fixed_weight": {"weight": "0.2"}, "share_of_fee": {"share": "0.8"},
    "share_of_benchmark": {"share": "0.7"}, "by_item": {},
}  # fmt: skip


def band(variant: str, threshold: str, inclusive: bool, **more: Any) -> dict[str, Any]:
    """A ratio class of a pack as plain data."""
    return {**VARIANTS[variant], "threshold": threshold, "inclusive": inclusive, **more}


def a_band(draw: st.DrawFn, low: str, high: str, **more: Any) -> dict[str, Any]:
    """Any family with a threshold between two numbers."""
    made = band(
        draw(st.sampled_from(sorted(VARIANTS))),
        str(draw(numbers(low, high, places=2))),
        draw(st.booleans()),
        **more,
    )
    if made["family"] == "excess_share":
        made |= {
            "base": str(draw(numbers("0.5", "2", places=2))),
            "share": str(draw(numbers("0", "1", places=2))),
        }
    return made


def a_treatment(draw: st.DrawFn, kinds: Iterable[str] = tuple(TREATMENTS)) -> dict[str, Any]:
    """Any way to leave the normal path."""
    kind = draw(st.sampled_from(sorted(kinds)))
    share = {"share": str(draw(numbers("0.1", "1", places=3)))} if "share" in TREATMENTS[kind] else {}
    times = {"by_coefficient": draw(st.booleans())} if kind == "share_of_benchmark" else {}
    return {"treatment": kind, **TREATMENTS[kind], **share, **times}


def ratio_entries(draw: st.DrawFn, days: Sequence[str], weight_edge: str) -> list[dict[str, Any]]:
    """One regime a day: low, two high bands by weight, and now and then a last bound beyond both."""
    return [
        dated(**{"from": day}, reference=draw(st.sampled_from(["with_coefficient", "without_coefficient"])),
              low=a_band(draw, "0.10", "0.90"),
              high=[a_band(draw, "1.5", "4", weight_le=weight_edge), a_band(draw, "1.1", "3")],
              **({"beyond": a_band(draw, "4.01", "6")} if draw(st.booleans()) else {}))
        for day in days
    ]  # fmt: skip
