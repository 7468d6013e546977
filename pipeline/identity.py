"""The name of a run: a function of inputs, scheme, pack, code version and period, and of nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files as package_files
from pathlib import Path

from groupers.codes import load_code_tables
from groupers.dip.charlson import charlson_manifest
from pipeline.read import Source
from pipeline.region import Region
from pipeline.schemes import Scheme


@dataclass(frozen=True)
class Identity:
    """What a run is made from; `run` is the first 12 hex digits of its hash."""

    run: str
    period: str
    inputs: tuple[tuple[str, str], ...]  # (name, sha256)
    schemes: tuple[tuple[str, str], ...]
    pack: str
    code: str


def identify(
    source: Source,
    region: Region,
    schemes_used: Mapping[str, Scheme],
    period: str,
    control_totals: Path | None,
    standing: str = "",
) -> Identity:
    """Hash everything that a run is made from; `standing`: the hashes of what earlier publications mean for it and
    of the decisions that it meets."""
    files = list(source.files) + ([control_totals] if control_totals and control_totals.is_file() else [])
    inputs = tuple((file.name, sha256_of(file)) for file in files)
    codes = load_code_tables().sha256  # they map and judge codes, so they decide groups
    schemes = tuple((key, _scheme_hash(scheme)) for key, scheme in sorted(schemes_used.items()))
    # Folder names may hold columns (`hospital_id=H01/`): the same bytes in another folder are another input.
    folders = [sorted(source.named_by_path.get(file, {}).items()) for file in source.files]
    parts = [
        [digest for _, digest in inputs], folders, schemes, codes, region.sha256, code_version(), period,
        standing,
    ]  # fmt: skip
    run = hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()[:12]
    return Identity(run, period, inputs, schemes, region.sha256, code_version())


@cache
def code_version() -> str:
    """Version of the package and a hash of its sources: another program is another run."""
    digest = hashlib.sha256()
    for package in ("groupers", "pipeline"):
        root = Path(str(package_files(package)))
        for file in sorted([*root.rglob("*.py"), *root.rglob("*.sql"), *root.rglob("*.html")]):
            digest.update(f"{package}/{file.relative_to(root)}\0".encode() + file.read_bytes())
    try:
        number = version("drgdip")
    except PackageNotFoundError:
        number = "0"
    return f"{number}+{digest.hexdigest()[:12]}"


def sha256_of(file: Path) -> str:
    """The hash of a file, read in blocks."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _scheme_hash(scheme: Scheme) -> str:
    """Of the scheme, of the DRG scheme whose severity lists it uses, and of the comorbidity index of a catalogue."""
    manifests = [scheme.manifest]
    if scheme.severity_book is not None:
        manifests.append(scheme.severity_book.manifest)
    if scheme.catalogue is not None:
        manifests.append(charlson_manifest())
    return hashlib.sha256("".join(one.model_dump_json() for one in manifests).encode()).hexdigest()
