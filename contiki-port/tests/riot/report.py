"""Counts and prints results; the last line of a test is `Report.total`."""

import os


class Report:
    def __init__(self, test: str) -> None:
        self.test = test
        self.passed = self.failed = self.skipped = 0

    def result(self, name: str, problem: str | None) -> bool:
        """`problem` is None on success."""
        print(f"ok {self.test}/{name}" if problem is None else f"FAIL {self.test}/{name}: {problem}", flush=True)
        self.passed += problem is None
        self.failed += problem is not None
        return problem is None

    def check(self, name: str, holds: object, problem: str = "not so") -> bool:
        return self.result(name, None if holds else problem)

    def equal(self, name: str, got: object, wanted: object) -> bool:
        return self.result(name, None if got == wanted else f"{got!r}, not {wanted!r}")

    def skip(self, name: str, reason: str) -> None:
        if {"all", "riot"} & set(os.environ.get("SPRAT_REQUIRE", "").split(",")):
            self.result(name, f"required, but {reason}")
            return
        print(f"SKIP {self.test}/{name}: {reason}", flush=True)
        self.skipped += 1

    def total(self) -> int:
        """Prints the total and gives the exit code."""
        print(f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped")
        return 1 if self.failed else 0
