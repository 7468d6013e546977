"""Run folders: locked while one is made, proved by their manifest, never altered once they stand."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import shutil
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pipeline.errors import InputError, Locked
from pipeline.identity import Identity, sha256_of
from pipeline.region import Region
from pipeline.schemes import Scheme
from pipeline.write import appearing, disk_errors

MANIFEST = "manifest.json"
CURRENT = "current"


@contextmanager
def occupied(home: Path, region: str) -> Iterator[None]:
    """Hold the region's lock; the kernel lets it go when the process ends, however it ends.

    Raises Locked naming who holds it, InputError where the place cannot be written.
    """
    with disk_errors(home / "lock"):
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = FileLock(home / "lock", mode=0o600)
        holder = home / "lock.holder"
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            who = holder.read_text(encoding="utf-8") if holder.is_file() else "未知"
            raise Locked(f"地区 `{region}` 正由另一进程运行：{who}；请等它结束后再试") from error
    try:
        with disk_errors(holder):
            started = dt.datetime.now().astimezone().isoformat(timespec="seconds")
            holder.write_text(
                f"进程 {os.getpid()}，主机 {socket.gethostname()}，开始于 {started}", encoding="utf-8"
            )
        _sweep(home)
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _sweep(home: Path) -> None:
    """Remove what a killed run left half made; the lock is held, so nobody is making it now."""
    # Of a ledger half begun there is a journal beside it.
    for left in [*home.glob(".*.part*"), *home.glob("*/.*.part"), *home.glob("*/.spill-*")]:
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def finished(folder: Path) -> bool:
    """Whether a run stands complete: folders are renamed into place only with their manifest."""
    return (folder / MANIFEST).is_file()


def prove_finished(folder: Path) -> dict[str, Any]:
    """The manifest of a finished run, every file proved against it. Raises InputError for an altered file."""
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        listed = dict(manifest["files"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"已有成果被改动：{folder / MANIFEST} 读不出来；请移走文件夹 {folder} 后重新运行"
        ) from error
    for name, digest in listed.items():
        path = folder / name
        found = sha256_of(path) if path.is_file() else "（不存在）"
        if found != digest:
            raise InputError(
                f"已有成果被改动：{path}，应为 sha256 {digest[:12]}…，实为 {found[:12]}；"
                f"请移走文件夹 {folder} 后重新运行"
            )
    return manifest


def write_manifest(
    folder: Path, identity: Identity, region: Region, schemes: Mapping[str, Scheme], totals: dict[str, Any],
    laws: list[str], standing: Mapping[str, Any], weights: Sequence[Mapping[str, str]], base: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """`manifest.json`: what the run was made from, what it counted, and the hash of every file. No times.

    `weights`: the versions of the weights that held on the pricing dates of its cases; `base`: the run whose validated
    and grouped rows were priced anew, None where they were made here.
    """
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    manifest = {
        "run": identity.run,
        "region": region.pack.name,
        "title": region.pack.title,
        "period": identity.period,
        "method": region.pack.method,
        "pricing_by": region.pack.pricing_by,
        "pack_version": region.pack.version,
        "pack_sha256": identity.pack,
        "code_version": identity.code,
        "inputs": [{"name": name, "sha256": digest} for name, digest in identity.inputs],
        "schemes": [
            {**scheme.described, "sha256": dict(identity.schemes)[key]} for key, scheme in schemes.items()
        ],
        "weights": [dict(one) for one in weights],
        "standing": dict(standing),
        "base": base,
        "ground": ground_sha(region),
        "totals": {
            name: str(value) if isinstance(value, Decimal) else value for name, value in totals.items()
        },
        "audits": laws,
        "files": {str(file.relative_to(folder)): sha256_of(file) for file in files},
    }
    text = json.dumps(manifest, ensure_ascii=False, indent=1)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")
    return manifest


def ground_sha(region: Region) -> str:
    """The hash of what validation takes from a pack: where it changed, stored groups may not be priced anew."""
    pack = region.pack
    parts = [
        pack.period_by, pack.pricing_by, pack.insurance_types, [one.model_dump_json() for one in pack.codes],
        [one.model_dump_json() for one in pack.scheme], [str(hospital) for hospital in region.hospitals],
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()


def point_to(home: Path, run: str) -> None:
    """Name the run that counts for a period now, in one step."""
    with appearing(home / CURRENT) as beside:
        beside.write_text(run + "\n", encoding="utf-8")


def log_run(home: Path, manifest: dict[str, Any], started: dt.datetime, fresh: bool) -> None:
    """One line in `runs.log`: when, where and how long. Times stand here, so that run folders have none."""
    line = {
        "run": manifest["run"],
        "period": manifest["period"],
        "started": started.isoformat(timespec="seconds"),
        "finished": dt.datetime.now().astimezone().isoformat(timespec="seconds"),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "fresh": fresh,
        "rows_in": manifest["totals"]["rows_in"],
        "payable_fen": manifest["totals"]["payable_fen"],
    }
    with disk_errors(home / "runs.log"), (home / "runs.log").open("a", encoding="utf-8") as log:
        log.write(json.dumps(line, ensure_ascii=False) + "\n")
