"""The command line: one table of commands. A command's module is imported when it is called, or listed by --help."""

import sys
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from io import TextIOWrapper
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from bot.cli import output
from bot.cli.output import hint
from duties.errors import DutyError

NAME = "duban"


@dataclass(frozen=True, slots=True)
class Command:
    """What is typed, and the function that answers it. Its help is the sentence `cli.<words-joined>`."""

    words: str
    module: str
    function: str

    def load(self) -> Any:
        """The command as typer runs it."""
        alone = typer.Typer(add_completion=False)
        key = f"cli.{self.words.replace(' ', '-')}"
        register = alone.command(self.words.split()[-1], help=hint(key), short_help=hint(key, " "))
        register(getattr(import_module(self.module), self.function))
        return typer.main.get_command(alone)


COMMANDS = (
    Command("demo", "bot.cli.running", "demo"),
    Command("serve", "bot.cli.running", "serve"),
    Command("check", "bot.cli.running", "check"),
    Command("migrate", "bot.cli.running", "migrate"),
    Command("plan", "bot.cli.lawful", "plan"),
    Command("explain", "bot.cli.explaining", "explain"),
    Command("simulate", "bot.cli.running", "simulate"),
    Command("overdue", "bot.cli.records", "overdue"),
    Command("coverage", "bot.cli.lawful", "coverage"),
    Command("policy", "bot.cli.lawful", "policy"),
    Command("registry verify", "bot.cli.lawful", "registry_verify"),
    Command("registry diff", "bot.cli.records", "registry_diff"),
    Command("calendar show", "bot.cli.lawful", "calendar_show"),
    Command("units import", "bot.cli.records", "units_import"),
    Command("officers import", "bot.cli.officers", "officers_import"),
    Command("officers hours", "bot.cli.officers", "officers_hours"),
    Command("people invite", "bot.cli.records", "people_invite"),
    Command("people unreached", "bot.cli.records", "people_unreached"),
    Command("connection check", "bot.cli.connections", "connection_check"),
    Command("ledger verify", "bot.cli.ledger", "verify"),
    Command("ledger export", "bot.cli.ledger", "export"),
)


class Commands(TyperGroup):
    """A group that finds its commands in the table, and says what went wrong in the reader's languages."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002  typer's signature
        return list(dict.fromkeys(rest.split()[0] for rest in map(self._mine, COMMANDS) if rest))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002  typer's signature
        if cmd_name not in self.commands:
            for command in COMMANDS:
                if self._mine(command) == cmd_name:
                    self.commands[cmd_name] = command.load()
        return self.commands.get(cmd_name)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (DutyError, output.BadInputError) as error:
            output.complain(error)
            raise typer.Exit(output.BAD_INPUT) from None
        except BrokenPipeError:
            output.hang_up()
            raise typer.Exit(output.FINE) from None

    def _mine(self, command: Command) -> str:
        """What follows this group's own word; nothing for another group's command."""
        if self.name == NAME:
            return command.words
        first, _, rest = command.words.partition(" ")
        return rest if first == self.name else ""


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(version(NAME))
        raise typer.Exit


def _root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help=hint("cli.version"))
    ] = False,
) -> None:
    """Options that come before a command."""


def _composed() -> typer.Typer:
    root = typer.Typer(
        name=NAME,
        cls=Commands,
        callback=_root,
        help=hint("cli.duban"),
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    for group in dict.fromkeys(command.words.split()[0] for command in COMMANDS if " " in command.words):
        key = f"cli.{group}"
        members = typer.Typer(cls=Commands, no_args_is_help=True)
        root.add_typer(members, name=group, help=hint(key), short_help=hint(key, " "))
    return root


app = _composed()


def main() -> None:
    """Entry point. The answer is UTF-8 whatever the locale says: a CSV says so itself, and JSON is nothing else."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    app()
