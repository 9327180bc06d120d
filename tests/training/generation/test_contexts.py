from threadmill.training.generation.contexts import ended_turns, joined_turns

SEP = 3


def test_turns_have_a_separator_between_them() -> None:
    assert joined_turns([[5, 6], [], [7]], SEP, 10) == [5, 6, SEP, 7]


def test_oldest_turns_are_left_out_whole() -> None:
    turns = [[5, 5, 5], [6, 6], [7, 7]]

    assert joined_turns(turns, SEP, 9) == [5, 5, 5, SEP, 6, 6, SEP, 7, 7]
    assert joined_turns(turns, SEP, 8) == [6, 6, SEP, 7, 7]
    assert joined_turns(turns, SEP, 4) == [7, 7]


def test_newest_turn_that_is_too_long_alone_keeps_its_end() -> None:
    assert joined_turns([[5], [6, 7, 8, 9]], SEP, 3) == [7, 8, 9]


def test_nothing_told_is_nothing_to_read() -> None:
    assert joined_turns([[], []], SEP, 3) == []
    assert ended_turns([[]], SEP) == []


def test_last_turn_of_a_causal_model_goes_on() -> None:
    assert ended_turns([[5, 6], [7]], SEP) == [5, 6, SEP, 7]
    assert ended_turns([[5, 6], []], SEP) == [5, 6, SEP]
