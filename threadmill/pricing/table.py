"""The table of costs: as text for logs and the shell, as Markdown for Airflow's pages and documents."""

from collections.abc import Sequence

from threadmill.pricing.estimate import Estimate
from threadmill.pricing.lines import Line, total
from threadmill.pricing.prices import Price

_HEAD = ("stage", "item", "quantity", "unit", "$ a unit", "$", "how known")


def text_table(lines: Sequence[Line]) -> str:
    """The lines and their sum, in columns."""
    rows = [_HEAD, *(_cells(line) for line in lines), ("", "total", "", "", "", f"{total(lines):,.2f}", "")]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    right = {2, 4, 5}
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def markdown_table(lines: Sequence[Line]) -> str:
    """The lines and their sum, as a table in Markdown."""
    rows = [_HEAD, ("---", "---", "---:", "---", "---:", "---:", "---"), *(_cells(line) for line in lines)]
    rows.append(("", "**total**", "", "", "", f"**{total(lines):,.2f}**", ""))
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def text_of(estimate: Estimate) -> str:
    """An estimate as text: its table, what it rests on, and the prices' sources."""
    if not estimate.lines:
        return f"{estimate.name}: $0.00\n" + "\n".join(estimate.notes)
    parts = [f"{estimate.name}: ${estimate.total:,.2f}", text_table(estimate.lines), *estimate.notes, "Prices:"]
    return "\n".join([*parts, *(f"  {line}" for line in sources(estimate.lines))])


def markdown_of(estimate: Estimate) -> str:
    """An estimate in Markdown: its table, what it rests on, and the prices' sources."""
    if not estimate.lines:
        return f"**{estimate.name}: $0.00.** " + " ".join(estimate.notes)
    listed = [*(f"- {note}" for note in estimate.notes), *(f"- Price of {line}" for line in sources(estimate.lines))]
    return f"**{estimate.name}: ${estimate.total:,.2f}**\n\n{markdown_table(estimate.lines)}\n\n" + "\n".join(listed)


def sources(lines: Sequence[Line]) -> list[str]:
    """Where each price was read, once."""
    found: dict[str, Price] = {}
    for line in lines:
        found.setdefault(f"{_kind(line)} (${line.price.value:g} a {line.price.unit})", line.price)
    return [f"{name}: {_source(price)}" for name, price in found.items()]


def _kind(line: Line) -> str:
    return (
        line.item.split(",")[0]
        if line.item.split(" ")[0] in ("Dataflow", "Vertex", "Cloud") and "TPU" in line.item
        else line.item
    )


def _source(price: Price) -> str:
    parts = [price.source, price.date, "" if price.confirmed else "NOT CONFIRMED", price.note]
    return ", ".join(part for part in parts if part)


def _cells(line: Line) -> tuple[str, ...]:
    return (
        line.stage,
        line.item,
        _number(line.quantity),
        line.price.unit,
        f"{line.price.value:g}",
        _dollars(line.cost),
        line.known,
    )


def _number(value: float) -> str:
    """With three digits that say something."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value else "0"


def _dollars(value: float) -> str:
    return f"{value:,.2f}" if value >= 0.005 or not value else "< 0.01"
