import pytest

from threadmill.errors import ConfigError
from threadmill.training.generation.config import GenerationConfig


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"search": "greedy", "num_replies": 2}, "num_replies is 2, and a greedy search has one"),
        ({"beam_size": 2, "num_replies": 3}, "num_replies is 3, and a beam of 2 finds no more"),
        ({"min_length": 9, "max_length": 8}, "min_length is 9, above max_length 8"),
        ({"search": "best"}, "search is 'best'; use one of auto, greedy, beam, nucleus"),
        ({"top_p": 0.0}, "top_p is 0"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        GenerationConfig(**settings)  # type: ignore[arg-type]
