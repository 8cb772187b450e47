"""Groups of commands of which one need not be named."""

from typing import Any

from typer.core import TyperGroup


def with_default(name: str) -> type[TyperGroup]:
    """A group whose command `name` may be left out: `qcli prices garnet` is `qcli prices show garnet`."""

    class Group(TyperGroup):
        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            known = {*self.commands, *ctx.help_option_names}
            return super().parse_args(ctx, args if args and args[0] in known else [name, *args])

    return Group
