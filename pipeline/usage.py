"""The command line's own words in Chinese: help pages and usage mistakes. Typer brings them in English."""

from __future__ import annotations

import re
from typing import Any

from typer import rich_utils
from typer._click import exceptions as mistakes  # typer carries its own click and exports only a part
from typer._click.core import Context

rich_utils.ARGUMENTS_PANEL_TITLE = "参数"
rich_utils.OPTIONS_PANEL_TITLE = "选项"
rich_utils.COMMANDS_PANEL_TITLE = "命令"
rich_utils.REQUIRED_LONG_STRING = "[必填]"
rich_utils.DEFAULT_STRING = "[缺省：{}]"

_COMPLETION = {
    "install_completion": "为当前 shell 安装命令补全。",
    "show_completion": "打印当前 shell 的命令补全脚本。",
}
# What was expected, by the words that typer says it in; the value itself is shown beside it.
_EXPECTED = (
    (r"valid integer", "应为整数"),
    (r"is not one of (.+)\.", r"只有 \1"),
    (r"greater than or equal to (\S+)", r"应不小于 \1"),
    (r"less than or equal to (\S+)", r"应不大于 \1"),
)


def in_chinese(command: Any) -> Any:
    """The same command tree, its usage line, `--help` and completion options told in Chinese."""

    def usage_line(ctx: Context, formatter: Any) -> None:
        formatter.write_usage(ctx.command_path, " ".join(command.collect_usage_pieces(ctx)), prefix="用法：")

    command.format_usage = usage_line
    command.options_metavar = "[选项]"
    if hasattr(command, "subcommand_metavar"):
        command.subcommand_metavar = "命令 [参数]..."
    help_option = command.get_help_option(Context(command))
    if help_option is not None:
        help_option.help = "显示本说明。"
    for param in command.params:
        if param.name in _COMPLETION:
            param.help = _COMPLETION[param.name]
    for below in getattr(command, "commands", {}).values():
        in_chinese(below)
    return command


def usage_mistake(error: mistakes.ClickException) -> str:
    """What is wrong with a command line, in one Chinese clause."""
    if isinstance(error, mistakes.MissingParameter) and error.param is not None:
        options = [name for name in error.param.opts if name.startswith("--")]
        return f"缺少{'选项' if options else '参数'} `{_name(error.param)}`"
    if isinstance(error, mistakes.NoSuchOption):
        return f"没有选项 `{error.option_name}`"
    if isinstance(error, mistakes.BadParameter) and error.param is not None:
        return f"`{_name(error.param)}` 的值不对{_expected(error.message)}"
    if isinstance(error, mistakes.NoArgsIsHelpError):
        return "缺少命令"
    text = error.format_message()
    for words, told in (
        (r"No such command '(.*?)'", r"没有命令 `\1`"),
        (r"Missing command", "缺少命令"),
        (r"Got unexpected extra argument\S* \((.*)\)", r"多余的参数 `\1`"),
        (r"Option '(.*?)' requires", r"选项 `\1` 后面缺少值"),
        (r"Option '(.*?)' does not take a value", r"选项 `\1` 不带值"),
    ):
        if found := re.match(words, text):
            return found.expand(told)
    return text


def _name(param: Any) -> str:
    """An option by its longest spelling, an argument as the help page calls it."""
    options = [name for name in param.opts if name.startswith("--")]
    return str(options[0] if options else param.metavar or param.name)


def _expected(message: str) -> str:
    for words, told in _EXPECTED:
        if found := re.search(words, message):
            return f"，{found.expand(told)}"
    return ""
