#!/usr/bin/env python
"""The command line of Bourse; `python manage.py help` lists the commands."""

import sys
from pathlib import Path

# Appended, never inserted first: `platform/` is a source folder and must not
# come before the standard library.
sys.path.append(str(Path(__file__).resolve().parent / "platform"))

if __name__ == "__main__":
    from bourse.command_line import main

    main(sys.argv)
