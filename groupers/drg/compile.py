"""Compile a rule book: every code a small integer, every list membership a lookup array.

A case is decided by its *cell* (class of the principal diagnosis, class of the principal procedure, truth of
the scalar comparisons) and by *spread bits*: which lists are met by some code other than the principal one.
Codes with equal memberships form one class, so all cells of CHS-DRG 2.0 fit in one table that fills itself as
cells occur. For each cell, interval logic tells which spread bits could change its outcome; most cases have
none of those and are decided by the cell alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from groupers.drg.codeside import CodeSide
from groupers.drg.rulebook import SEVERITIES, RuleBook
from groupers.drg.rules import COMPARISONS, Always, Atom, Compare, Condition, Hits, Member, Prefix
from groupers.scheme import SchemeError

MOST_COMPARISONS = 63  # each is one bit of an int64

Bits = np.ndarray  # uint64, shape (cases, words)
Interval = tuple[np.ndarray, np.ndarray]  # (surely true, possibly true)


@dataclass(frozen=True)
class Reference:
    """An atom compiled: how to evaluate it for many cells at once."""

    kind: str  # always | principal | any | other | scalar | hits
    side: str = ""  # dx | px
    columns: tuple[int, ...] = ()  # set columns of the side
    bits: tuple[int, ...] = ()  # spread bits
    scalar: int = 0
    compare: Callable[[np.ndarray, int], np.ndarray] | None = None
    value: int = 0


@dataclass(frozen=True)
class CompiledRule:
    """A rule with compiled clauses; `outcome` is its place in the outcome table."""

    outcome: int
    kind: str
    clauses: tuple[tuple[tuple[Reference, bool], ...], ...]
    need: np.ndarray  # spread bits that its condition looks at, (words,)


@dataclass
class Cells:
    """Many cells, column-wise; `bits` None stands for any spread bits whatever."""

    dx_class: np.ndarray
    px_class: np.ndarray
    scalars: np.ndarray  # int64, one bit per scalar comparison
    bits: Bits | None

    def __len__(self) -> int:
        return len(self.dx_class)


class CompiledBook:
    """A rule book as lookup arrays. Pure function of the book; see `walk` for the decision itself."""

    def __init__(self, book: RuleBook) -> None:
        self.book = book
        resolved = [(rule, book.resolve(rule.condition)) for rule in book.active_rules]
        atoms = list(dict.fromkeys(_atoms(book, [condition for _, condition in resolved])))
        self.scalars = tuple(atom for atom in atoms if isinstance(atom, Compare))
        if len(self.scalars) > MOST_COMPARISONS:
            raise SchemeError(
                f"方案 `{book.manifest.name}` 的规则共有 {len(self.scalars)} 种不同的数值或文本比较，"
                f"最多 {MOST_COMPARISONS} 种；请合并界限相近的比较"
            )
        self.dx = _side(book, atoms, "dx")
        self.px = _side(book, atoms, "px")
        self._bit_of: dict[tuple[str, int], int] = {}
        references = {atom: self._reference(atom) for atom in atoms}
        self.words = max(1, -(-len(self._bit_of) // 64))
        for side in ("dx", "px"):
            codes = self._side_named(side)
            codes.split_into_classes(range(len(codes.sets)))
            codes.assign_bits(
                {column: bit for (own, column), bit in self._bit_of.items() if own == side}, self.words
            )
        self._severity()
        self.rules = [
            self._compile(number, rule.kind, condition, references)
            for number, (rule, condition) in enumerate(resolved)
        ]
        self.blocks = _blocks([rule.mdc for rule, _ in resolved], self.rules)
        self._outcomes()

    def _reference(self, atom: Atom) -> Reference:
        if isinstance(atom, Always):
            return Reference("always")
        if isinstance(atom, Compare):
            return Reference("scalar", scalar=self.scalars.index(atom))
        if isinstance(atom, Hits):
            columns = tuple(self.dx.sets.index(name) for name in self.book.families[atom.family])
            bits = tuple(self._bit("dx", column) for column in columns)
            return Reference("hits", "dx", columns, bits, 0, COMPARISONS[atom.comparison], atom.value)
        subject, side = atom.subject.rsplit("_", 1)
        column = self._side_named(side).sets.index(_set_name(atom))
        bits = () if subject == "principal" else (self._bit(side, column),)
        return Reference(subject, side, (column,), bits)

    def _bit(self, side: str, column: int) -> int:
        return self._bit_of.setdefault((side, column), len(self._bit_of))

    def _side_named(self, side: str) -> CodeSide:
        return self.dx if side == "dx" else self.px

    def _severity(self) -> None:
        """Rank, exclusion table of a secondary diagnosis and of a principal one, per diagnosis id."""
        book, dx = self.book, self.dx
        names = {table for _, table in book.severity.values()} | set(book.exclusions.values())
        tables = {name: number for number, name in enumerate(sorted(names))}
        self.rank = np.zeros(dx.size, dtype=np.int8)
        self.own_table = np.full(dx.size, -1, dtype=np.int32)
        self.principal_table = np.full(dx.size, -2, dtype=np.int32)
        for code, (severity, table) in book.severity.items():
            self.rank[dx.id_of_code[code]] = SEVERITIES.index(severity)
            if table:
                self.own_table[dx.id_of_code[code]] = tables[table]
        for code, table in book.exclusions.items():
            if table:
                self.principal_table[dx.id_of_code[code]] = tables[table]

    def _compile(
        self, number: int, kind: str, condition: Condition, references: dict[Atom, Reference]
    ) -> CompiledRule:
        clauses = tuple(tuple((references[lit.atom], lit.negated) for lit in clause) for clause in condition)
        need = np.zeros(self.words, dtype=np.uint64)
        for bit in (bit for clause in clauses for reference, _ in clause for bit in reference.bits):
            need[bit // 64] |= np.uint64(1 << (bit % 64))
        return CompiledRule(number, kind, clauses, need)

    def _outcomes(self) -> None:
        """Outcome table: one row per rule, then the ungrouped code, then one per MDC with a code of its own."""
        book = self.book
        own = [mdc for mdc in book.mdcs if mdc in book.choices.ungrouped_by_mdc]
        self.ungrouped = len(self.rules)
        self.ungrouped_of_mdc = {mdc: self.ungrouped + 1 + rank for rank, mdc in enumerate(own)}
        codes = [book.choices.ungrouped, *(book.choices.ungrouped_by_mdc[mdc] for mdc in own)]
        rows: list[tuple[str | None, str | None, str, str, int | None]] = []
        for rule in book.active_rules:
            for severity in SEVERITIES:
                if rule.kind == "adrg":
                    drg = book.drg_at(rule.group, severity).drg
                    rows.append((book.mdc_of_group(rule.group), rule.group, drg, "grouped", rule.seq))
                else:
                    rows.append(
                        (book.mdc_of_group(rule.group), rule.group, rule.group, "ambiguous", rule.seq)
                    )
        rows += [(None, None, code, "ungrouped", None) for code in codes for _ in SEVERITIES]
        self.outcome_rows = rows

    def walk(self, cells: Cells) -> tuple[np.ndarray, np.ndarray]:
        """Outcome of every cell, and the spread bits that could change it.

        With exact bits the second result is zero; with `bits` None only the second is of use.
        """
        count = len(cells)
        outcome = np.full(count, self.ungrouped, dtype=np.int32)
        need = np.zeros((count, self.words), dtype=np.uint64)
        open_ = np.ones(count, dtype=bool)
        first_entered = np.full(count, self.ungrouped, dtype=np.int32)
        values: dict[Reference, Interval] = {}
        for mdc, enter, rules in self.blocks:
            entered, maybe_entered = self._holds(enter, cells, values)
            if (
                mdc in self.ungrouped_of_mdc
            ):  # MDCA takes every case in: only MDCs with a code of their own count
                first_entered[entered & (first_entered == self.ungrouped)] = self.ungrouped_of_mdc[mdc]
                need[open_ & maybe_entered & ~entered] |= enter.need
            for rule in rules:
                if not open_.any():
                    break
                surely, possibly = self._holds(rule, cells, values)
                if rule.kind == "ambiguous_outside":
                    surely, possibly = surely & ~maybe_entered, possibly & ~entered
                else:
                    surely, possibly = surely & entered, possibly & maybe_entered
                need[open_ & possibly & ~surely] |= rule.need | enter.need
                hit = open_ & surely
                outcome[hit] = rule.outcome
                open_ &= ~hit
        outcome[open_] = first_entered[open_]
        return outcome, need

    def _holds(self, rule: CompiledRule, cells: Cells, values: dict[Reference, Interval]) -> Interval:
        surely = np.ones(len(cells), dtype=bool)
        possibly = surely
        for clause in rule.clauses:
            any_sure, any_possible = self._literal(*clause[0], cells, values)
            for literal in clause[1:]:
                sure, possible = self._literal(*literal, cells, values)
                any_sure, any_possible = any_sure | sure, any_possible | possible
            surely, possibly = surely & any_sure, possibly & any_possible
        return surely, possibly

    def _literal(
        self, reference: Reference, negated: bool, cells: Cells, values: dict[Reference, Interval]
    ) -> Interval:
        if reference not in values:
            values[reference] = self._value(reference, cells)
        sure, possible = values[reference]
        return (~possible, ~sure) if negated else (sure, possible)

    def _value(self, reference: Reference, cells: Cells) -> Interval:
        if reference.kind == "always":
            yes = np.ones(len(cells), dtype=bool)
            return yes, yes
        if reference.kind == "scalar":
            truth = (cells.scalars >> reference.scalar) & 1 == 1
            return truth, truth
        side = self._side_named(reference.side)
        classes = cells.dx_class if reference.side == "dx" else cells.px_class
        principal = side.class_member[classes][:, list(reference.columns)]
        if reference.kind == "principal":
            return principal[:, 0], principal[:, 0]
        if reference.kind == "other":
            principal = np.zeros_like(principal)
        least = principal | _has_bits(cells, reference.bits, False)
        most = principal | _has_bits(cells, reference.bits, True)
        if reference.kind != "hits":
            return least[:, 0], most[:, 0]
        assert reference.compare is not None
        low, high = least.sum(axis=1), most.sum(axis=1)
        # A comparison is monotone or an (in)equality: sure where it holds for every count in between.
        truths: np.ndarray = np.stack(
            [
                reference.compare(np.clip(count, low, high), reference.value)
                for count in range(len(reference.bits) + 1)
            ]
        )
        return np.all(truths, axis=0), np.any(truths, axis=0)


def _has_bits(cells: Cells, bits: tuple[int, ...], unknown: bool) -> np.ndarray:
    if cells.bits is None:
        return np.full((len(cells), len(bits)), unknown)
    return np.stack(
        [(cells.bits[:, bit // 64] >> np.uint64(bit % 64)) & np.uint64(1) == 1 for bit in bits], axis=1
    )


def _atoms(book: RuleBook, conditions: Sequence[Condition]) -> Iterator[Atom]:
    for condition in conditions:
        for clause in condition:
            for literal in clause:
                yield literal.atom


def _set_name(atom: Member | Prefix) -> str:
    return atom.list_name if isinstance(atom, Member) else f"{atom.prefix}*"


def _side(book: RuleBook, atoms: Sequence[Atom], side: str) -> CodeSide:
    ours = [atom for atom in atoms if isinstance(atom, Member | Prefix) and atom.subject.endswith(f"_{side}")]
    lists = book.dx_lists if side == "dx" else book.px_lists
    names = dict.fromkeys(atom.list_name for atom in ours if isinstance(atom, Member))
    if side == "dx":
        names |= dict.fromkeys(
            name for atom in atoms if isinstance(atom, Hits) for name in book.families[atom.family]
        )
    prefixes = list(dict.fromkeys(atom.prefix for atom in ours if isinstance(atom, Prefix)))
    codes = sorted(book.known_dx if side == "dx" else book.known_px)
    return CodeSide(codes, {name: lists[name] for name in names}, prefixes)


def _blocks(
    mdcs: Sequence[str], rules: Sequence[CompiledRule]
) -> list[tuple[str, CompiledRule, list[CompiledRule]]]:
    blocks: list[tuple[str, CompiledRule, list[CompiledRule]]] = []
    for mdc, rule in zip(mdcs, rules, strict=True):
        if rule.kind == "enter":
            blocks.append((mdc, rule, []))
        else:
            blocks[-1][2].append(rule)
    return blocks
