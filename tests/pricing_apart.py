"""Many small packs priced in one run of the SQL: to plan its statements takes longer than to price a thousand cases.

Each pack gets days of its own, `APART` later than the pack before it, and terms and case ids under its number, so that
its cases meet its parameters and nobody else's. A fund share over many cases would mix packs: such a pack runs alone.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline.query import engine
from pipeline.region import Region
from pipeline.schemes import Scheme
from pipeline.score import register_prices, score
from pipeline.terms import Terms, resolve
from tests.pricing_fixtures import (
    LAST_DAY,
    WEIGHTS,
    Case,
    kinds_of,
    priced,
    register_cases,
    scheme_of,
    write_pack,
)
from tests.pricing_twin import Found, agreed
from tests.reference.price_case import NOTHING_PRINTED, Printed

FIRST_DAY = dt.date(2025, 1, 1)
APART = dt.timedelta(days=2 * 366)  # no case of a pack is a year older than its first day
MARK = "|"


@dataclass(frozen=True)
class Trial:
    """A pack with the tables printed for it (its scores, by DIP) and its cases."""

    pack: dict[str, Any]
    cases: Sequence[Case]
    weights: Mapping[str, str] = field(default_factory=lambda: WEIGHTS)
    printed: Printed = NOTHING_PRINTED

    def agreed(self, found: Found) -> dict[str, dict[str, Any]]:
        """The scored rows, in which the twin finds nothing that differs."""
        return agreed(self.pack, self.cases, found, self.weights, self.printed)


def priced_apart(trials: Mapping[Any, Trial], folder: Path) -> dict[Any, Found]:
    """What the SQL says of the cases of every trial, by its name."""
    together: dict[str, list[tuple[Any, Trial, Region]]] = defaultdict(list)
    found: dict[Any, Found] = {}
    for number, (name, trial) in enumerate(trials.items()):
        weights = WEIGHTS if trial.pack.get("method") == "dip" else trial.weights
        region = write_pack(folder / f"pack-{number}", trial.pack, weights, printed=trial.printed)
        if any(entry.of not in (None, "case") for entry in region.pack.fund_share):
            with priced(
                region, trial.cases, folder / f"run-{number}", scores=trial.weights, printed=trial.printed
            ) as run:
                severity = {row["case_id"]: row["severity"] for row in run.late}
                found[name] = Found(run.scored(), run.refused(), severity)
        else:
            once = (region.pack.method, trial.pack["digits"], region.pack.pricing_by, region.pack.levels)
            together[json.dumps(once)].append((name, trial, region))
    for number, group in enumerate(together.values()):
        found |= _priced_together(group, folder / f"together-{number}")
    return found


def _priced_together(group: Sequence[tuple[Any, Trial, Region]], folder: Path) -> dict[Any, Found]:
    """Trials that declare the same method and digits, one after another in time."""
    folder.mkdir()
    terms: list[Terms] = []
    schemes: dict[str, Scheme] = {}
    cases: list[Case] = []
    kind = group[0][2].pack.kind
    for number, (_, trial, region) in enumerate(group):
        scheme = scheme_of(kinds_of(trial.weights, trial.cases), kind, trial.weights, trial.printed)
        own = [_moved(one, number) for one in resolve(region, FIRST_DAY, LAST_DAY)]
        terms += own
        schemes |= {one.scheme.key: scheme for one in own}
        cases += [_apart(case, number) for case in trial.cases]
    with engine(folder) as con:
        register_cases(con, cases, False, kind)
        register_prices(con, group[0][2], tuple(terms), schemes)
        late = score(con, kind, folder).to_pylist()
        scored = con.table("scored").to_arrow_table().to_pylist()
    found = [Found({}, {}) for _ in group]
    for row in scored:
        number, case_id = row["case_id"].split(MARK)
        assert found[int(number)].scored.setdefault(case_id, row) is row  # a case is priced once
    for row in late:
        number, case_id = row["case_id"].split(MARK)
        assert found[int(number)].refused.setdefault(case_id, row["code"]) == row["code"]
        found[int(number)].severity[case_id] = row["severity"]
    return {name: one for (name, _, _), one in zip(group, found, strict=True)}


def _moved(terms: Terms, number: int) -> Terms:
    """Terms under the number of their trial, on its days, by a scheme of its own."""
    scheme = terms.scheme.model_copy(update={"name": f"{terms.scheme.name}-{number}"})
    return replace(
        terms, terms_id=f"{number}{MARK}{terms.terms_id}", scheme=scheme,
        valid_from=terms.valid_from + number * APART, valid_to=terms.valid_to + number * APART,
    )  # fmt: skip


def _apart(case: Case, number: int) -> Case:
    return replace(
        case, case_id=f"{number}{MARK}{case.case_id}", reverses=case.reverses and f"{number}{MARK}{case.reverses}",
        discharge_date=case.discharge_date + number * APART, settlement_date=case.settlement_date + number * APART,
    )  # fmt: skip
