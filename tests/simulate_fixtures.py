"""Stored months from the cases of `pricing_fixtures`, and a simulation of them; only the grouping is given."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline import simulate_inputs
from pipeline.decide import Review
from pipeline.identity import sha256_of
from pipeline.region import Region, load_region
from pipeline.runfolder import ground_sha
from pipeline.simulate import Simulated, simulate
from pipeline.terms import resolve
from tests.pricing_fixtures import KINDS, LAST_DAY, WEIGHTS, Case, priced, scheme_of, write_pack
from tests.reference.price_case import NOTHING_PRINTED, Printed

UNPRICED = "NEW"  # a group that the scheme can yield and no table has a weight for
STORED = ("validated", "grouped", "case_payment", "scored")


@dataclass(frozen=True)
class Bench:
    """A region whose scheme is invented, with a place for its months and proposals."""

    folder: Path
    pack: Mapping[str, Any]
    region: Region
    scores: Mapping[str, str] | None = None
    printed: Printed = NOTHING_PRINTED

    def month(self, cases: Sequence[Case], period: str = "2025-10", review: Review | None = None) -> Path:
        """A run folder of these cases with what a simulation reads of it."""
        made = self.folder / "out" / "under-test" / period / f"run-{period}"
        with priced(self.region, cases, made, scores=self.scores, printed=self.printed, review=review) as run:
            run.settled(period)
            for name in ("validated", "grouped"):
                run.con.table(name).write_parquet(str(made / f"{name}.parquet"))
        manifest = {
            "run": made.name, "region": "under-test", "period": period, "pack_sha256": self.region.sha256,
            "standing": {"published": {}}, "ground": ground_sha(self.region),
            "files": {f"{name}.parquet": sha256_of(made / f"{name}.parquet") for name in STORED},
        }  # fmt: skip
        (made / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
        return made

    def weights(self, name: str, weights: Mapping[str, str]) -> tuple[str, Path]:
        """A proposal as a file."""
        path = self.folder / f"{sha256(name.encode()).hexdigest()[:8]}.csv"
        rows = [f"{group},{weight}" for group, weight in weights.items()]
        path.write_text("\n".join(["drg,weight", *rows, ""]), encoding="utf-8")
        return name, path

    def other(self, name: str, **changes: Any) -> tuple[str, Path]:
        """A proposal as a whole pack."""
        write_pack(self.folder / name, {**self.pack, **changes}, printed=self.printed)
        return name, self.folder / name

    def simulated(
        self, months: Sequence[Path], weights: Sequence[tuple[str, Path]] = (), packs: Sequence[tuple[str, Path]] = (),
        name: str = "made", regroup: bool = False,
    ) -> Tables:  # fmt: skip
        region = load_region(f"{self.region.folder}/")
        return Tables(simulate(region, months, weights, packs, self.folder / name, regroup=regroup))


@dataclass(frozen=True)
class Tables:
    """What a simulation has written."""

    made: Simulated

    def rows(self, name: str, **where: Any) -> list[dict[str, Any]]:
        """Rows of `simulation_<name>` that have these values."""
        found = pq.read_table(self.made.folder / f"simulation_{name}.parquet").to_pylist()
        return [row for row in found if all(row[key] == value for key, value in where.items())]

    def one(self, name: str, **where: Any) -> dict[str, Any]:
        (row,) = self.rows(name, **where)
        return row


def bench_of(
    monkeypatch: pytest.MonkeyPatch, folder: Path, pack: Mapping[str, Any], weights: Mapping[str, str] = WEIGHTS,
    scores: Mapping[str, str] | None = None, printed: Printed = NOTHING_PRINTED,
) -> Bench:  # fmt: skip
    """The region on disk; its invented scheme is found in place of one of data/."""
    region = write_pack(folder / "pack", pack, weights if scores is None else WEIGHTS, printed=printed)

    def terms_and_schemes(of: Region) -> tuple[Any, Any]:
        kinds = KINDS | {UNPRICED: "grouped"} | dict.fromkeys(scores or {}, "grouped")
        scheme = scheme_of(kinds, of.pack.kind, scores, printed)
        return resolve(of, dt.date(2025, 1, 1), LAST_DAY), {entry.key: scheme for entry in of.pack.scheme}

    monkeypatch.setattr(simulate_inputs, "terms_and_schemes", terms_and_schemes)
    return Bench(folder, pack, region, scores, printed)
