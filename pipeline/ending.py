"""How a command ends badly: one Chinese sentence and an exit code for every kind of error."""

from __future__ import annotations

from pipeline.errors import InputError, UserError

INTERRUPTED = 130  # what shells give a command that Ctrl-C ended


def ending(error: BaseException) -> tuple[str, str, int]:
    """Kind, sentence and exit code of an error; what nobody foresaw is told by its type alone, with code 1."""
    from groupers.scheme import SchemeError  # heavy, and --help does without

    if isinstance(error, UserError):
        return error.kind, str(error), error.exit_code
    if isinstance(error, SchemeError):
        return "方案", str(error), 12
    if isinstance(error, KeyboardInterrupt):
        return "中断", "已按要求停止；已有成果未动", INTERRUPTED
    if isinstance(error, OSError) and error.filename:
        return (
            "输入",
            f"文件操作失败：{error.filename}（系统错误号 {error.errno}）；请检查路径与权限",
            InputError.exit_code,
        )
    return "内部错误", f"{type(error).__name__}；已有成果未动，请设 DRGDIP_DEBUG=1 重跑并把输出交给开发者", 1
