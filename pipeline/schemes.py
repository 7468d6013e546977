"""What a run needs of its grouping schemes, DRG or DIP alike: their groups, names, scores, and known codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from groupers.dip.catalogue import UNGROUPED, Catalogue, CoreRow, PooledRow
from groupers.dip.load import load_catalogue
from groupers.drg.rulebook import RuleBook, load_rulebook
from groupers.scheme import Manifest, describe, load_manifest, scheme_folder
from pipeline.errors import ConfigurationError
from pipeline.pack import SchemeEntry
from pipeline.region import Region

EXCLUDED = "excluded"  # the group code of a case whose principal diagnosis is not paid by disease


@dataclass(frozen=True)
class Scheme:
    """A scheme as one entry of the pack uses it.

    `kinds`: every group that it can yield → grouped | ambiguous | ungrouped | excluded. `scores`, `coefficients`
    ((row, level) → number) and `flags` are those of a DIP catalogue. `described` goes into the run's manifest.
    """

    manifest: Manifest
    kinds: Mapping[str, str]
    names: Mapping[str, str]
    scores: Mapping[str, Decimal] = field(default_factory=dict)
    coefficients: Mapping[tuple[str, str], Decimal] = field(default_factory=dict)
    flags: Mapping[str, frozenset[str]] = field(default_factory=dict)
    known_dx: frozenset[str] = frozenset()
    known_px: frozenset[str] = frozenset()
    dx_not_for_grouping: frozenset[str] = frozenset()
    px_not_for_grouping: frozenset[str] = frozenset()
    book: RuleBook | None = None
    catalogue: Catalogue | None = None
    severity_book: RuleBook | None = None
    described: Mapping[str, Any] = field(default_factory=dict)

    @property
    def asks_severity(self) -> bool:
        """Whether an auxiliary subtype asks for MCC and CC, so that a severity book is needed."""
        subtypes = self.catalogue.auxiliary.subtypes if self.catalogue else ()
        return any(getattr(atom, "column", "") == "severity" for one in subtypes for atom in one.atoms)


def schemes_of(region: Region) -> dict[str, Scheme]:
    """Every scheme that the pack names, by the key of its entry. Raises SchemeError, ConfigurationError."""
    books: dict[str, RuleBook] = {}
    schemes: dict[str, Scheme] = {}
    for entry in region.pack.scheme:
        kind = load_manifest(scheme_folder(entry.name)).kind
        if kind != region.pack.kind:
            raise ConfigurationError(
                f"结算方法与分组方案不符：{region.folder / 'region.yaml'} 的 method 为 `{region.pack.method}`，"
                f"方案 `{entry.name}` 是 {kind.upper()}；请更正其中之一"
            )
        if kind == "dip":
            schemes[entry.key] = dip_scheme(entry, dip_catalogue(entry), _severity_book(entry, books))
        else:
            schemes[entry.key] = drg_scheme(entry, _book(entry.name, books))
    return schemes


def _book(name: str, loaded: dict[str, RuleBook]) -> RuleBook:
    if name not in loaded:
        loaded[name] = load_rulebook(name)
    return loaded[name]


def _severity_book(entry: SchemeEntry, loaded: dict[str, RuleBook]) -> RuleBook | None:
    return None if entry.severity_scheme is None else _book(entry.severity_scheme, loaded)


def drg_scheme(entry: SchemeEntry, book: RuleBook) -> Scheme:
    """A DRG rule book as a run uses it."""
    ungrouped = {book.choices.ungrouped, *book.choices.ungrouped_by_mdc.values()}
    drgs = {drg.drg for drg in book.drgs}
    return Scheme(
        book.manifest,
        {
            group: "ungrouped" if group in ungrouped else "grouped" if group in drgs else "ambiguous"
            for group in book.group_names
        },
        book.group_names, known_dx=frozenset(book.known_dx), known_px=frozenset(book.known_px),
        dx_not_for_grouping=frozenset(book.dx_not_for_grouping),
        px_not_for_grouping=frozenset(book.px_not_for_grouping),
        book=book, described=_described(entry, book.manifest),
    )  # fmt: skip


def dip_catalogue(entry: SchemeEntry) -> Catalogue:
    """A DIP catalogue with the choices of the region in place of its own. Raises SchemeError."""
    catalogue = load_catalogue(entry.name)
    chosen: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name in ("tie_breakers", "conservative", "related")
        if (value := getattr(entry, name)) is not None
    }
    return replace(catalogue, choices=replace(catalogue.choices, **chosen))


def dip_scheme(entry: SchemeEntry, catalogue: Catalogue, severity_book: RuleBook | None) -> Scheme:
    """A DIP catalogue as a run uses it."""
    rows: list[CoreRow | PooledRow] = [*catalogue.core, *catalogue.pooled]
    names = catalogue.row_names
    return Scheme(
        catalogue.manifest,
        dict.fromkeys(names, "grouped") | {UNGROUPED: "ungrouped", EXCLUDED: "excluded"},
        names | {EXCLUDED: "不按病种付费"},
        scores={row.row: row.score for row in rows if row.score is not None},
        coefficients=catalogue.coefficients, flags={row.row: row.flags for row in rows},
        known_px=frozenset(catalogue.procedure_classes),
        catalogue=catalogue, severity_book=severity_book, described=_described(entry, catalogue.manifest),
    )  # fmt: skip


def _described(entry: SchemeEntry, manifest: Manifest) -> dict[str, Any]:
    """The scheme for a run's manifest, with what the region's entry chose, so that `explain` repeats it."""
    chosen = entry.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {**describe(manifest), "in_force_from": str(entry.from_), "entry": chosen}
