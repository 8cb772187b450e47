"""From the plain content of a file to checked values."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from qcli.errors import QcliError


class File(BaseModel):
    """A file on disk or a part of one; keys that are not declared are left alone."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())


def _not_binary(value: object) -> object:
    if isinstance(value, float):
        raise ValueError("money is written as a string, not as a binary float")
    return value


_LARGEST = Decimal(10) ** 30
Money = Annotated[Decimal, BeforeValidator(_not_binary), Field(ge=0, lt=_LARGEST, decimal_places=60)]
Difference = Annotated[
    Decimal, BeforeValidator(_not_binary), Field(gt=-_LARGEST, lt=_LARGEST, decimal_places=60)
]
"""Of two amounts of money."""

FileT = TypeVar("FileT", bound=File)


def printable(content: Any) -> Any:
    """`content` with every character that no page or terminal can show replaced by U+FFFD."""
    if isinstance(content, str):
        return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in content)
    if isinstance(content, Mapping):
        return {printable(key): printable(value) for key, value in content.items()}
    return [printable(item) for item in content] if isinstance(content, list | tuple) else content


def parse(kind: type[FileT], content: Any, where: str) -> FileT:
    """Check the plain `content` of one file.

    Raises:
        QcliError: a value is missing or of the wrong kind; names the first one.
    """
    try:
        return kind.model_validate(printable(content))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise QcliError(
            f"{key or 'content'}: {message}", where, "run the command that writes it again"
        ) from None
