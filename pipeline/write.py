"""Files appear complete or not at all: written beside, then renamed into place; private to their owner."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.errors import InputError, UsageMistake


@contextmanager
def appearing(target: Path, folder: bool = False) -> Iterator[Path]:
    """A path beside `target` to write to; renamed to it on success, removed on failure.

    Raises InputError where the disk is full or the place cannot be written.
    """
    beside = target.with_name(f".{target.name}.{os.getpid()}.part")
    previous = os.umask(0o077)
    try:
        with disk_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            if folder:
                beside.mkdir()
            yield beside
            _settle_on_disk(beside)
            beside.replace(target)
    finally:
        os.umask(previous)
        _remove(beside)


def spare_input(target: Path, files: Iterable[Path]) -> None:
    """Raise UsageMistake where a result would take the place of a file that it is made from."""
    if target.exists() and any(target.samefile(file) for file in files):
        raise UsageMistake(f"结果会盖掉输入文件：{target}；请用 --out 另选文件名")


@contextmanager
def disk_errors(target: Path) -> Iterator[None]:
    """Turn the operating system's refusals into one sentence about `target`."""
    try:
        yield
    except OSError as error:
        # Libraries in other languages give the system's words without its number.
        full = error.errno is None and ("No space left" in str(error) or "os error 28" in str(error))
        if full or error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InputError(
                f"磁盘已满：写 {target} 时空间不足；已有成果未动，请清理磁盘后重新运行"
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise InputError(
                f"输出位置不可写：{target.parent}；请检查文件夹权限或用 --out 另选位置"
            ) from error
        if error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR):
            raise InputError(f"输出位置被占用：{target}；请检查是否有同名文件或文件夹") from error
        raise


def _settle_on_disk(path: Path) -> None:
    """Flush to disk before the rename, so that a power cut cannot leave a named but empty file."""
    for file in [path] if path.is_file() else [found for found in path.rglob("*") if found.is_file()]:
        with file.open("rb") as opened:
            os.fsync(opened.fileno())


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):  # what stands in the way was said already
            path.unlink()
