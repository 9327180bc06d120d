"""The settings of generation."""

from dataclasses import dataclass, replace

from threadmill.config import check_settings, setting
from threadmill.errors import ConfigError

AUTO, GREEDY, BEAM, NUCLEUS = "auto", "greedy", "beam", "nucleus"


@dataclass(frozen=True)
class GenerationConfig:
    """How a reply is searched for. BlenderBot's own (Roller et al. 2020, section 4) are the defaults, but for its shortest reply
    of 20 tokens and its blocking of the context's 3-grams, which suit models of its size.
    """

    search: str = setting(
        AUTO,
        "Take the likeliest token each time (greedy), the likeliest reply of a beam, or draw tokens (nucleus); auto for beam "
        "with a conversational model, and nucleus with one that continues texts",
        choices=(AUTO, GREEDY, BEAM, NUCLEUS),
    )
    beam_size: int = setting(10, "Replies that a beam goes on with", minimum=1, maximum=1000)
    length_penalty: float = setting(
        0.65,
        "A beam ranks replies by their log-probability over ((5 + tokens) / 6) to this power; 0 favours short ones",
        minimum=0,
        maximum=10,
    )
    min_length: int = setting(1, "Tokens of a reply, at least", minimum=0)
    max_length: int = setting(0, "Tokens of a reply, at most; 0 for what the model takes", minimum=0)
    block_ngram: int = setting(3, "No run of so many tokens occurs twice in a reply; 0 for no such rule", minimum=0)
    block_context_ngram: int = setting(0, "No run of so many tokens is repeated from the context; 0 for no such rule", minimum=0)
    top_p: float = setting(
        0.9, "Draw from the likeliest tokens that have this probability together; 1 for all", minimum=1e-6, maximum=1
    )
    top_k: int = setting(0, "Draw from so many likeliest tokens at most; 0 for all", minimum=0)
    temperature: float = setting(
        1.0, "Draw with logits divided by this: below 1 the likely become likelier", minimum=1e-3, maximum=1e3
    )
    seed: int = setting(0, "Seed of what is drawn", minimum=0, maximum=2**31 - 1)
    num_replies: int = setting(1, "Replies to each context, the likeliest first", minimum=1, maximum=1000)

    def __post_init__(self) -> None:
        check_settings(self)
        if self.search == GREEDY and self.num_replies > 1:
            raise ConfigError(f"num_replies is {self.num_replies}, and a greedy search has one; set search to beam or nucleus")
        if self.search in (AUTO, BEAM) and self.num_replies > self.beam_size:
            raise ConfigError(
                f"num_replies is {self.num_replies}, and a beam of {self.beam_size} finds no more; set a larger beam_size"
            )
        if self.max_length and self.min_length > self.max_length:
            raise ConfigError(f"min_length is {self.min_length}, above max_length {self.max_length}; set less")

    def resolved(self, objective: str) -> "GenerationConfig":
        """The config with the search that suits models of ``objective`` in place of auto."""
        own = BEAM if objective == "seq2seq" else NUCLEUS
        return replace(self, search=own if self.search == AUTO else self.search)
