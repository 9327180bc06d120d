"""The parts of a report's page that any run has: the head, the funnel, the training, dead letters, where all comes from."""

from typing import Any

from markupsafe import Markup

import threadmill
from threadmill.reports import plots
from threadmill.reports.dialogue import printable
from threadmill.reports.funnel import reason_words
from threadmill.reports.layout import score_text
from threadmill.reports.run import DeadLetters, RunContents
from threadmill.reports.training import beside_baselines

_TILES = (
    *("masked_accuracy", "masked_perplexity", "next_sentence_accuracy"),
    *("response_perplexity", "token_perplexity", "ranking_accuracy"),
)


def run_values(run: RunContents, name: str, summary: str) -> dict[str, Any]:
    """What ``page.html.j2`` shows of a run; a report adds ``tiles``, and the plots of its own to `run_plots`."""
    return {
        "name": name,
        "version": threadmill.__version__,
        "summary": summary,
        "partial": run.partial,
        "steps": run.steps,
        "evaluation": beside_baselines(run.evaluation),
        "dead_letters": [_letters(letters) for letters in run.dead_letters],
        "datasets": run.manifests,
    }


def run_plots(run: RunContents) -> dict[str, Markup]:
    """The funnel, and the loss, "" where none was noted."""
    loss = plots.loss_plot(run.losses, run.baseline) if run.losses else ""
    return {"funnel": Markup(plots.funnel_plot(run.steps)), "loss": Markup(loss)}  # matplotlib escapes text itself


def score_tiles(run: RunContents) -> list[tuple[str, str]]:
    """The model's scores that a reader looks for first, as far as there are any."""
    shown = [name for name in _TILES if name in run.evaluation]
    return [(reason_words(name), score_text(name, run.evaluation[name])) for name in shown]


def _letters(letters: DeadLetters) -> dict[str, object]:
    lines = [[printable(str(letter.get(key, ""))) for key in ("file", "line", "reason", "detail")] for letter in letters.first]
    return {"dataset": letters.dataset, "name": letters.file.name, "records": letters.file.records, "lines": lines}
