"""Plain-text tables: aligned columns, numbers to the right."""

from collections.abc import Iterable, Sequence

from threadmill.reports.dialogue import printable


def aligned(rows: Iterable[Sequence[str]], left: int = 1) -> list[str]:
    """Rows of cells as lines; the first ``left`` columns are flush left, the others right. Safe to print."""
    cells = [[printable(cell).replace("\n", " ") for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if number < left else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
