import numpy as np

from threadmill.corpora.sample.language import END, Language, load_language
from threadmill.corpora.sample.pieces import PieceTable


def language() -> Language:
    return load_language(PieceTable())


def test_every_act_can_come_up() -> None:
    acts = language().acts
    reached = {acts.automoderator, acts.mod_note, *acts.choices[-1].tolist(), *acts.choices[-2].tolist()}
    while (more := reached | {int(answer) for act in reached for answer in acts.choices[act]}) != reached:
        reached = more
    assert reached == set(range(len(acts.traits)))


def test_every_act_says_something_and_long_comments_can_go_on() -> None:
    grammar = language().grammar
    assert (grammar.steps[:, 3] >= 0).all()
    assert (grammar.sections[:, 1] > 0).all()
    assert grammar.ops[-1, 0] == END


def test_each_topic_has_enough_words_for_neighbours() -> None:
    spoken = language()
    things = spoken.grammar.classes[:, spoken.classes.index("thing"), 1]
    assert (things > 8).all()  # the four neighbours of a thing are others, and differ
    assert len(spoken.topics) == len(things)


def test_words_of_a_class_follow_each_other_and_topics_share_none() -> None:
    spoken = language()
    spans = spoken.grammar.classes[:, spoken.classes.index("thing")]
    members = np.concatenate([np.arange(start, start + count) for start, count in spans])
    assert len(set(members.tolist())) == len(members) == len(spoken.things)


def test_subreddits_are_distinct() -> None:
    names = [name.lower() for name, _ in language().subreddits]
    assert len(names) == len(set(names)) > 150
