"""The one exception a user can cause."""


class QcliError(Exception):
    """What went wrong, where, and how to fix it.

    The command line prints these three and exits with `exit_code`: 1 failed, 2 bad input,
    3 refused by budget or policy, 4 forecast or gate not met.
    """

    def __init__(self, what: str, where: str = "", fix: str = "", exit_code: int = 2) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.fix = fix
        self.exit_code = exit_code

    def __str__(self) -> str:
        parts = [self.what]
        if self.where:
            parts.append(f"where: {self.where}")
        if self.fix:
            parts.append(f"fix: {self.fix}")
        return "\n".join(parts)
