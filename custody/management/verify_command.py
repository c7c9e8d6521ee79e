"""What the verify commands share: print a report, leave with 1 when anything differs."""

import json
import sys

from django.core.management.base import BaseCommand, CommandParser

from custody.verification.run import Report


class VerifyCommand(BaseCommand):
    """A command that prints a report; `--json` for programs."""

    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="One JSON object on stdout.")

    def show(self, report: Report, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(report.as_json()))
        else:
            for difference in report.differences:
                self.stdout.write(str(difference))
            counted = ", ".join(f"{count} {name}" for name, count in report.counted.items())
            verdict = "all agree" if report.is_clean else f"{len(report.differences)} differences"
            as_of = f"as of {report.as_of}: " if report.as_of else ""
            self.stdout.write(f"{as_of}{counted}: {verdict}")
        if not report.is_clean:
            sys.exit(1)
