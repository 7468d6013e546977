"""A new version of the weights in a region pack: a table beside the others and one entry more in `region.yaml`.

Nothing that stands is edited: undo and change are later versions that say which one they replace. The table is written
first and the entry last, in one rename, so that a crash leaves the old pack or the new one.
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from filelock import FileLock, Timeout
from yaml import YAMLError

from pipeline.errors import ConfigurationError, InputError, Locked, UsageMistake
from pipeline.pack import Pack
from pipeline.pack_pricing import CATALOGUE, WeightsEntry
from pipeline.pack_text import with_entry
from pipeline.price_tables import price_of_group, units_of
from pipeline.problem import some
from pipeline.region import FOREVER, Region, config_root, exact_yaml, stop_on_gaps
from pipeline.region_check import stop_on_errors
from pipeline.schemes import Scheme
from pipeline.terms import resolve
from pipeline.write import appearing, disk_errors

SHIPPED = "demo-"  # how the packs are called that come with the program
Days = tuple[dt.date, dt.date]


@dataclass(frozen=True)
class Version:
    """A version to be added: its entry, and its table as bytes; None for the scores of a catalogue, which stand."""

    entry: WeightsEntry
    table: bytes | None
    weights: dict[str, Decimal]
    means: dict[str, int]


@contextmanager
def changing(folder: Path) -> Iterator[None]:
    """Hold the pack while it is changed. Raises Locked, or UsageMistake for a pack that comes with the program."""
    home = config_root()
    installed = (home.parent / "region.py").is_file()  # a wheel carries the packs inside the package
    inside = folder.resolve().is_relative_to(home.resolve())
    if inside and (installed or folder.resolve().name.startswith(SHIPPED)):
        raise UsageMistake(
            f"随程序附带的地区参数不能改：{folder}，升级时会被盖掉；请先复制，如 `cp -r {folder} our-city`，再给 --region our-city/"
        )
    lock = FileLock(folder / ".lock")  # hidden files are no part of a pack
    with disk_errors(folder / ".lock"):
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise Locked(f"地区参数正由另一进程改动：{folder}；请等它结束后再试") from error
    try:
        yield
    finally:
        lock.release()


def free_name(region: Region, day: dt.date) -> str:
    """The file of the next version from a day on: `weights-2025-07-01-1.csv`, `-2` where there is one already."""
    taken = {one.file for one in region.pack.weights}
    return next(
        name for number in range(1, len(taken) + 2) if (name := f"weights-{day}-{number}.csv") not in taken
    )


def version_to_replace(region: Region, day: dt.date, replaces: str | None) -> WeightsEntry | None:
    """The standing version that a new one from `day` on stands in place of, by its file.

    Raises UsageMistake where there is none of this name, or where another version from the same day would still stand.
    """
    standing = region.pack.standing_weights
    gone = _replaced(region.pack, replaces)
    if replaces is not None and gone is None:
        raise UsageMistake(
            f"没有这一版权重：`{replaces[:60]}`，现行的有 {'、'.join(one.file for one in standing)}；请更正 --replaces"
        )
    same = next((one for one in standing if one.from_ == day and one is not gone), None)
    if same is not None:
        raise UsageMistake(
            f"同一天有两版权重：{day} 起已有 `{same.file}`（{same.source[:80]}）；"
            f"要用新的一版代替它，请加 --replaces {same.file}，原来的一版留作历史"
        )
    return gone


def with_version(
    region: Region, schemes: Mapping[str, Scheme], text: str, version: Version
) -> tuple[Region, str]:
    """The region with one version more, and `region.yaml` as it then reads: `text` plus exactly this entry.

    `schemes`: by key, every scheme that the region's terms name.

    Raises ConfigurationError where that is not what comes of it, or where the pack then has an error.
    """
    entry, pack, path = version.entry, region.pack, region.folder / "region.yaml"
    after = _place(pack, entry)
    words = {"from": str(entry.from_), "file": entry.file, "scheme": entry.scheme}
    words |= {"to": str(entry.to)} if entry.to else {}
    words |= {"replaces": entry.replaces} if entry.replaces else {}
    written = with_entry(text, "weights", after, words | {"source": entry.source})
    wanted = exact_yaml(text)
    wanted["weights"].insert(after + 1, entry.model_dump(by_alias=True, exclude_none=True))
    try:
        found = exact_yaml(written)
    except YAMLError:
        found = None
    if found != wanted:
        raise ConfigurationError(
            f"添不进新的一版：{path} 的 `weights` 写法特殊，添上之后读出来不是原来的加这一项；请手工添上：{words}"
        )
    changed = Pack.model_validate(found)
    stop_on_gaps(path, changed)
    gone = _replaced(pack, entry.replaces)
    kept = [one for one in pack.standing_weights if one is not gone]
    if changed.standing_weights != sorted([*kept, entry], key=lambda one: one.from_):
        raise ConfigurationError(
            f"添不进新的一版：{path} 里各版的代替关系会改变；请核对 `weights` 的 replaces"
        )
    tables = replace(
        region.tables,
        weights=region.tables.weights | ({} if version.table is None else {entry.file: version.weights}),
        means=region.tables.means | ({} if version.table is None else {entry.file: version.means}),
    )
    made = replace(region, pack=changed, tables=tables)
    _stop_on_new_errors(region, made, schemes)
    return made, written


def write_version(region: Region, old: str, new: str, version: Version) -> None:
    """Write the table, then `region.yaml`. Raises InputError where something else stands in the table's place."""
    path = (region.folder / "region.yaml").resolve()
    target = path.with_name(version.entry.file)
    if version.table is not None and target.exists() and target.read_bytes() != version.table:
        raise InputError(
            f"文件夹里已有没有用到的同名表：{target}，内容不同，多半是上次没有写完；请移走它再执行"
        )
    if path.read_bytes().decode("utf-8") != old:
        raise InputError(f"地区参数刚被别人改动：{path}；什么也没有写，请再执行一次")
    if version.table is not None and not target.exists():
        with appearing(target) as part:
            part.write_bytes(version.table)
            shutil.copymode(path, part)
    with appearing(path) as part:
        part.write_bytes(new.encode("utf-8"))
        shutil.copymode(path, part)


def changed_days(before: Pack, after: Pack) -> list[Days]:
    """The days on which another version of the weights holds, as intervals."""
    starts = sorted({one.from_ for pack in (before, after) for one in pack.standing_weights})
    ends = [day - dt.timedelta(days=1) for day in starts[1:]] + [FOREVER]
    found: list[Days] = []
    for first, last in zip(starts, ends, strict=True):
        if _file_on(before, first) == _file_on(after, first):
            continue
        if found and found[-1][1] + dt.timedelta(days=1) == first:
            found[-1] = found[-1][0], last
        else:
            found.append((first, last))
    return found


def _file_on(pack: Pack, day: dt.date) -> str | None:
    held = [one.file for one in pack.standing_weights if one.from_ <= day <= (one.to or FOREVER)]
    return held[-1] if held else None


def _place(pack: Pack, entry: WeightsEntry) -> int:
    """Behind which item the entry goes: the last that begins no later, and the one that it replaces."""
    earlier = [place for place, one in enumerate(pack.weights) if one.from_ <= entry.from_]
    gone = _replaced(pack, entry.replaces)
    return max([*earlier, *(place for place, one in enumerate(pack.weights) if one is gone)], default=0)


def _replaced(pack: Pack, file: str | None) -> WeightsEntry | None:
    """The standing version that a name means: the last that has this file."""
    return next((one for one in reversed(pack.standing_weights) if one.file == file), None)


def _stop_on_new_errors(before: Region, after: Region, schemes: Mapping[str, Scheme]) -> None:
    """Raise ConfigurationError where the pack could not run, or where a group loses its price."""
    first = min(entry.from_ for entry in after.pack.scheme)
    old, new = resolve(before, first, FOREVER), resolve(after, first, FOREVER)
    stop_on_errors(after, new, schemes)
    units = units_of(after.pack)
    for one in new:
        was = next(terms for terms in reversed(old) if terms.valid_from <= one.valid_from)
        scheme = schemes[one.scheme.key]
        bare = [
            group
            for group in scheme.kinds
            if price_of_group(one, scheme, group, units) is None
            and price_of_group(was, scheme, group, units) is not None
        ]
        if bare:
            raise ConfigurationError(
                f"这一版权重用不了：{one.valid_from} 起有 {len(bare):,} 个组没有了价格：{some(bare)}；请补齐权重表"
            )


def restored(region: Region, undone: WeightsEntry) -> WeightsEntry:
    """The version that held before one: the one that it replaced, else the one before it by date. Raises UsageMistake."""
    if undone.replaces is not None:
        place = next(number for number, one in enumerate(region.pack.weights) if one is undone)
        return next(one for one in reversed(region.pack.weights[:place]) if one.file == undone.replaces)
    before = [one for one in region.pack.standing_weights if one.from_ < undone.from_]
    if not before:
        raise UsageMistake(
            f"没有更早的一版可以恢复：`{undone.file}` 是 {undone.from_} 起的第一版；请用 `drgdip negotiate apply` 采纳另一张表"
        )
    return before[-1]


def table_of(region: Region, entry: WeightsEntry) -> bytes | None:
    """A version's table as it stands; None for the scores of a catalogue."""
    return None if entry.file == CATALOGUE else (region.folder / entry.file).read_bytes()
