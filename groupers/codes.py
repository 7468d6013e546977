"""Codes of the national insurance edition (医保版 2.0): normal form, code tables, mapping from 国临版.

Source of the tables: 国家医疗保障局《医疗保障疾病诊断分类与代码》《医疗保障手术操作分类与代码》2.0 版.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from groupers.scheme import SchemeError, data_root, read_table, sealed_files

LONGEST_CODE = 64  # the longest real code has 18 characters; beyond this a text is not a code

_FULL_WIDTH = {full: full - 0xFEE0 for full in range(0xFF01, 0xFF5F)}
_BLANK = re.compile(r"[\s\u200b\ufeff]+")
_CHAPTER_LETTER = re.compile(r"(?:^|(?<=\+))[a-z](?=[0-9])")


def normal_form(text: str) -> str:
    """The normal form of a code: half-width, without blanks, chapter letter upper, filler `x` lower.

    `i10.X00X002` becomes `I10.x00x002`. A text too long to be a code is returned as it is.
    Plain upper-casing would destroy codes, since `x` is a filler and `X` a chapter.
    """
    if len(text) > LONGEST_CODE:
        return text
    text = _BLANK.sub("", text.translate(_FULL_WIDTH))
    body = text[:1] + text[1:].replace("X", "x")
    body = re.sub(r"\+x(?=[0-9])", "+X", body)
    return _CHAPTER_LETTER.sub(lambda letter: letter.group().upper(), body)


# What a code in normal form never shows; each search begins with one letter, so that the text is skipped through.
_ODD = tuple(map(re.compile, (r"\n[a-z]", r"\+[a-z]", r"\+X(?![0-9])", r"X(?<=[^+\n]X)")))


def odd_codes(codes: list[str]) -> list[str]:
    """The codes that are empty or not in normal form."""
    distinct = list(dict.fromkeys(codes))
    if not _suspicious(distinct):
        return []
    odd = {code for code in distinct if _suspicious([code]) and (not code or normal_form(code) != code)}
    return [code for code in codes if code in odd]


def _suspicious(codes: list[str]) -> bool:
    """Whether any of them may be odd: one look at all of them at once; `normal_form` itself judges what it finds."""
    text = "\n".join(codes)
    return (
        not text.isascii()
        or not text.replace("\n", "").isprintable()
        or " " in text
        or text.count("\n") != len(codes) - 1
        or "" in codes
        or max(map(len, codes), default=0) > LONGEST_CODE
        or any(odd.search(f"\n{text}") for odd in _ODD)
    )


@dataclass(frozen=True)
class CodeTables:
    """The two code tables and what validation asks of them. Codes are in normal form."""

    diagnosis_names: dict[str, str]
    procedure_names: dict[str, str]
    procedure_classes: dict[str, str]  # 手术 | 介入治疗 | 治疗性操作 | 诊断性操作
    restricted_dx: frozenset[str]  # 灰码
    restricted_px: frozenset[str]
    clinical_dx: dict[str, str]  # 国临版 → 医保版
    clinical_px: dict[str, str]
    sex_limited_dx: tuple[tuple[str, str], ...]  # (code prefix, the sex that may have it)
    sha256: str = ""  # of the manifest, which holds the hash of every table

    def sex_limit(self, code: str) -> str | None:
        """The only sex that may have this diagnosis, or None."""
        for length, limits in self._sex_limits:
            sex = limits.get(code[:length])
            if sex is not None:
                return sex
        return None

    @cached_property
    def _sex_limits(self) -> tuple[tuple[int, dict[str, str]], ...]:
        """(length, prefix → sex): one look-up per length instead of a test per prefix for every code."""
        lengths = sorted({len(prefix) for prefix, _ in self.sex_limited_dx})
        return tuple(
            (length, {prefix: sex for prefix, sex in self.sex_limited_dx if len(prefix) == length})
            for length in lengths
        )


@cache
def load_code_tables(version: str = "yb-2.0", root: Path | None = None) -> CodeTables:
    """Read and check a version of the code tables. Raises SchemeError where a file is altered."""
    folder = (root or data_root()) / "codes" / version
    if not folder.is_dir():
        raise SchemeError(f"编码表版本不存在：`{version}`；可用版本见 {folder.parent}")
    manifest, files = sealed_files(folder, "codes.yaml")
    if manifest.kind != "codes":
        raise SchemeError(f"`{folder}` 是 {manifest.kind} 方案，这里需要编码表（kind: codes）")
    diagnosis = _coded(files, "diagnosis.csv", ("code", "name", "restricted"))
    procedure = _coded(files, "procedure.csv", ("code", "name", "class", "restricted"))
    return CodeTables(
        diagnosis_names={row[0]: row[1] for row in diagnosis},
        procedure_names={row[0]: row[1] for row in procedure},
        procedure_classes={row[0]: row[2] for row in procedure},
        restricted_dx=frozenset(row[0] for row in diagnosis if row[2] == "1"),
        restricted_px=frozenset(row[0] for row in procedure if row[3] == "1"),
        clinical_dx=_pairs(files, "clinical_diagnosis.csv"),
        clinical_px=_pairs(files, "clinical_procedure.csv"),
        sex_limited_dx=tuple(
            (row[0], row[1]) for row in read_table(files, "sex_limited.csv", ("prefix", "sex", "name"))
        ),
        sha256=hashlib.sha256(manifest.model_dump_json().encode()).hexdigest(),
    )


def _pairs(files: dict[str, bytes], name: str) -> dict[str, str]:
    return {row[0]: row[1] for row in _coded(files, name, ("clinical", "insurance"))}


def _coded(files: dict[str, bytes], name: str, columns: tuple[str, ...]) -> list[list[str]]:
    """Rows whose first column is a code in normal form that does not repeat: a second one would silently win."""
    rows = read_table(files, name, columns)
    codes = [row[0] for row in rows]
    for code in odd_codes(codes):
        raise SchemeError(f"表 `{name}` 的编码 `{code}` 不是规范形式，应为 `{normal_form(code)}`；请更正")
    if len(set(codes)) < len(codes):
        twice = next(code for code, count in Counter(codes).items() if count > 1)
        raise SchemeError(f"表 `{name}` 的 `{twice}` 出现两次；请删去一行并重新登记")
    return rows
