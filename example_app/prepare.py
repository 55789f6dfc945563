"""What ``make demo`` does with ``flask`` before the app starts; none of it happens twice.

All of it in one process: importing takes longer than doing.
"""

from __future__ import annotations

import sys

from flask.cli import cli

COMMANDS = (
    "credits db upgrade",
    "db upgrade",
    "add-demo-users",
    "credits packages load",
    "credits sync --apply",
)


def main() -> None:
    """Run the commands as a shell would, until one fails."""
    for command in COMMANDS:
        try:
            cli.main(command.split(), prog_name="flask")
        except SystemExit as ended:
            if ended.code:
                sys.exit(f"`flask {command}` failed.")


if __name__ == "__main__":
    main()
