#!/usr/bin/env python
"""The command line of Bourse; `python manage.py help` lists the commands."""

import os
import sys
from pathlib import Path

# Appended, never inserted first: `platform/` is a source folder and must not
# come before the standard library.
sys.path.append(str(Path(__file__).resolve().parent / "platform"))


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bourse.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
