"""Counts and prints results; the last line of a peer's output is `Report.total`."""

import os
from collections import defaultdict


class Report:
    def __init__(self, peer: str) -> None:
        self.peer = peer
        self.passed = self.failed = self.skipped = 0
        self.cells: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))

    def result(self, name: str, problem: str | None, cell: tuple[str, str] | None = None) -> None:
        """`problem` is None on success; `cell` is the row and column of the closing table."""
        print(f"ok   {self.peer} {name}" if problem is None else f"FAIL {self.peer} {name}: {problem}", flush=True)
        self.passed += problem is None
        self.failed += problem is not None
        if cell:
            count = self.cells[cell[0]][cell[1]]
            count[0] += problem is None
            count[1] += 1

    def skip(self, name: str, reason: str, missing: str | None = None) -> None:
        """`missing` is the peer to blame where it is not the one under test."""
        if (missing or self.peer) in os.environ.get("SPRAT_REQUIRE", "").split(","):
            self.result(name, f"required, but {reason}")
            return
        print(f"SKIP {self.peer} {name}: {reason}", flush=True)
        self.skipped += 1

    def table(self) -> None:
        columns = list(dict.fromkeys(column for row in self.cells.values() for column in row))
        width = max((len(row) for row in self.cells), default=0)
        print(" " * width, *columns)
        for row, cells in self.cells.items():
            counts = ("/".join(map(str, cells[column])) if column in cells else "-" for column in columns)
            print(row.ljust(width), *(count.rjust(len(column)) for count, column in zip(counts, columns)))

    def total(self) -> int:
        """Prints the total and gives the exit code."""
        if self.cells:
            self.table()
        print(f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped")
        return 1 if self.failed else 0
