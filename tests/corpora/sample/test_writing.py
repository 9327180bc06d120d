import hashlib
import os
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.corpora.sample.dumps import Comment, depths, parents, read_comments, read_lines
from threadmill.corpora.sample import write_sample
from threadmill.errors import ConfigError

TOMBSTONES = ("[deleted]", "[removed]")
BOTS = {"AutoModerator", "RemindMeBot", "haikubot-1911", "useles-converter-bot", "TotesMessenger", "B0tRank"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> list[list[Comment]]:
    """Two months of 20,000 comments each."""
    paths = write_sample(str(tmp_path_factory.mktemp("world")), comments=40_000, months=2)
    return [read_comments([path]) for path in paths]


@pytest.fixture(scope="module")
def comments(world: list[list[Comment]]) -> list[Comment]:
    return [comment for month in world for comment in month]


def digests(paths: list[Path]) -> list[str]:
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]


@pytest.mark.parametrize(
    ("comments", "months", "lines"),
    [(1, 1, [1]), (2, 5, [0, 0, 1, 0, 1]), (10, 3, [3, 3, 4]), (1000, 1, [1000]), (20_000, 1, [20_000])],
)
def test_number_of_lines_is_exact_and_even(tmp_path: Path, comments: int, months: int, lines: list[int]) -> None:
    paths = write_sample(str(tmp_path / "new" / "folder"), comments=comments, months=months)
    assert [len(read_lines(path)) for path in paths] == lines
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == [path.name for path in paths]


def test_files_are_named_after_consecutive_months(tmp_path: Path) -> None:
    paths = write_sample(str(tmp_path), comments=30, months=3, start="2010-11")
    assert [path.name for path in paths] == ["RC_2010-11.zst", "RC_2010-12.zst", "RC_2011-01.zst"]


def test_last_month_there_can_be(tmp_path: Path) -> None:
    (comment,) = read_comments(write_sample(str(tmp_path), comments=1, start="9999-12"))
    assert datetime.fromtimestamp(comment["created_utc"], UTC).year == 9999


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system can't take cores away from a process")
def test_same_arguments_give_same_bytes_on_any_number_of_cores(tmp_path: Path) -> None:
    cores = os.sched_getaffinity(0)
    first = digests(write_sample(str(tmp_path / "first"), comments=50_000, months=2))
    try:
        os.sched_setaffinity(0, {min(cores)})
        again = digests(write_sample(str(tmp_path / "again"), comments=50_000, months=2))
    finally:
        os.sched_setaffinity(0, cores)
    assert first == again


def test_lines_are_the_same_on_every_machine(tmp_path: Path) -> None:
    # Told from another machine. A change of the words, the grammar or the dice changes it: put the new digest here then.
    lines = [line for path in write_sample(str(tmp_path), comments=3000, months=2, start="2023-03") for line in read_lines(path)]
    assert hashlib.sha256(b"\n".join(lines)).hexdigest() == "bcd6a8b22db5a119b1c09f1e9ba3dd72d5a2ab30aad954987b2cf42178944f0c"


def test_another_seed_gives_other_comments(tmp_path: Path) -> None:
    one = read_comments(write_sample(str(tmp_path / "one"), comments=100, seed=1))
    two = read_comments(write_sample(str(tmp_path / "two"), comments=100, seed=2))
    assert sum(a["body"] == b["body"] for a, b in zip(one, two, strict=True)) < 20


def test_ids_and_times_grow_through_the_months(world: list[list[Comment]], comments: list[Comment]) -> None:
    keys = [(comment["created_utc"], int(comment["id"], 36)) for comment in comments]
    assert keys == sorted(keys)
    assert len({comment["id"] for comment in comments}) == len(comments)
    for month, name in zip(world, ("2006-01", "2006-02"), strict=True):
        assert {datetime.fromtimestamp(comment["created_utc"], UTC).strftime("%Y-%m") for comment in month} == {name}


def test_every_month_day_has_comments_and_nights_are_quiet(world: list[list[Comment]]) -> None:
    times = [datetime.fromtimestamp(comment["created_utc"], UTC) for comment in world[0]]
    assert {time.day for time in times} == set(range(1, 32))
    by_hour = Counter(time.hour for time in times)
    assert by_hour[10] < by_hour[18] / 2


def test_references_are_as_in_dumps(comments: list[Comment]) -> None:
    by_id = {comment["id"]: comment for comment in comments}
    assert all(re.fullmatch(r"t3_[0-9a-z]+", comment["link_id"]) for comment in comments)
    for comment in comments:
        if comment["parent_id"].startswith("t3_"):
            assert comment["parent_id"] == comment["link_id"]
        elif (parent := by_id.get(comment["parent_id"][3:])) is not None:
            assert parent["link_id"] == comment["link_id"]
            assert parent["subreddit"] == comment["subreddit"]
            assert int(parent["id"], 36) < int(comment["id"], 36)


def test_threads_go_on_in_the_next_month(world: list[list[Comment]]) -> None:
    earlier = {comment["id"] for comment in world[0]}
    crossing = [comment for comment in world[1] if parents([comment]).get(comment["id"]) in earlier]
    assert len(crossing) > 10
    last = depths(world[0] + world[1])
    assert max(last[comment["id"]] for comment in crossing) >= 3  # so that context reaches over the month's end


def test_first_month_has_orphans_and_the_next_has_none(world: list[list[Comment]], comments: list[Comment]) -> None:
    known = {comment["id"] for comment in comments}
    orphans = [[above for above in parents(month).values() if above not in known] for month in world]
    assert 0 < len(orphans[0]) < 0.03 * len(world[0])
    assert all(int(above, 36) < int(world[0][0]["id"], 36) for above in orphans[0] + orphans[1])


def test_every_month_has_deep_chains(world: list[list[Comment]]) -> None:
    for month in world:
        found = sorted(depths(month).values())
        assert found[-1] > 100
        assert sum(depth > 12 for depth in found) > 120


def test_small_month_has_a_chain_deeper_than_the_context_of_an_example(tmp_path: Path) -> None:
    comments = read_comments(write_sample(str(tmp_path), comments=500))
    assert max(depths(comments).values()) > 12


def test_every_month_has_one_mega_thread(world: list[list[Comment]]) -> None:
    for month in world:
        largest, second = (size for _, size in Counter(comment["link_id"] for comment in month).most_common(2))
        assert largest == len(month) // 50
        assert second < largest / 2


def test_thread_shapes_are_those_of_real_months(comments: list[Comment]) -> None:
    threads = Counter(comment["link_id"] for comment in comments)
    assert 9 < len(comments) / len(threads) < 15
    assert 0.32 < sum(comment["parent_id"].startswith("t3_") for comment in comments) / len(comments) < 0.40


def test_tombstones_are_as_many_as_in_real_months(comments: list[Comment]) -> None:
    bodies = Counter(comment["body"] for comment in comments)
    assert bodies["[deleted]"] / len(comments) == pytest.approx(0.055, rel=0.1)
    assert bodies["[removed]"] / len(comments) == pytest.approx(0.013, rel=0.2)
    assert {comment["author"] for comment in comments if comment["body"] in TOMBSTONES} == {"[deleted]"}
    assert any(comment["author"] == "[deleted]" and comment["body"] not in TOMBSTONES for comment in comments)


def test_reference_rules_find_an_example_in_five_comments(comments: list[Comment]) -> None:
    def usable(comment: Comment) -> bool:
        return 9 <= len(comment["body"]) <= 127 and comment["body"] not in TOMBSTONES

    by_id = {comment["id"]: comment for comment in comments}
    pairs = ((by_id[child], by_id[above]) for child, above in parents(comments).items() if above in by_id)
    assert sum(usable(child) and usable(parent) for child, parent in pairs) / len(comments) == pytest.approx(0.1975, abs=0.012)


def test_bodies_are_as_long_as_real_ones(comments: list[Comment]) -> None:
    lengths = sorted(len(comment["body"]) for comment in comments)
    assert sum(lengths) / len(lengths) == pytest.approx(174, rel=0.05)
    assert 55 < lengths[len(lengths) // 2] < 85
    assert lengths[-1] > 3000
    assert lengths[len(lengths) // 50] < 9


@pytest.mark.parametrize("mark", ["&gt; ", "&amp;", "https://", "](http", "**", "\n\n* ", "\n\n", "😂", "café", "/u/"])
def test_bodies_have_markup_links_and_entities(comments: list[Comment], mark: str) -> None:
    assert any(mark in comment["body"] for comment in comments)


def test_bodies_have_no_raw_html_and_no_unfilled_slot(comments: list[Comment]) -> None:
    text = "".join(comment["body"] for comment in comments)
    assert not re.search(r"[<>{}]|&(?!(amp|lt|gt);)", text)


def test_articles_agree(comments: list[Comment]) -> None:
    text = " ".join(comment["body"] for comment in comments)
    assert re.search(r"\ban? (nurse|engineer|umbrella|lantern)\b", text)
    assert not re.search(
        r"\b(an (nurse|teacher|lantern)|a (engineer|accountant|umbrella|owl|electrician))\b", text, re.IGNORECASE
    )


def test_language_has_thousands_of_words(comments: list[Comment]) -> None:
    words = Counter(word for comment in comments for word in re.findall(r"[a-zé]+", comment["body"].lower()))
    assert sum(count >= 3 for count in words.values()) > 2500


def test_answers_are_about_what_they_answer(comments: list[Comment]) -> None:
    def rare(comment: Comment) -> set[str]:
        return {word for word in re.findall(r"[a-z]{4,}", comment["body"].lower()) if seen[word] < len(comments) / 100}

    seen = Counter(word for comment in comments for word in set(re.findall(r"[a-z]{4,}", comment["body"].lower())))
    by_id = {comment["id"]: comment for comment in comments}
    pairs = [(by_id[child], by_id[above]) for child, above in parents(comments).items() if above in by_id]
    pairs = [(rare(child), rare(parent)) for child, parent in pairs[:4000] if min(len(child["body"]), len(parent["body"])) > 60]
    answered = sum(bool(child & parent) for child, parent in pairs)
    others = sum(bool(child & parent) for (child, _), (_, parent) in zip(pairs, pairs[97:], strict=False))
    assert answered > 0.8 * len(pairs)
    assert others < 0.4 * len(pairs)


def test_how_much_is_answered_with_a_sum(comments: list[Comment]) -> None:
    by_id = {comment["id"]: comment for comment in comments}
    answers = [
        by_id[child]["body"]
        for child, above in parents(comments).items()
        if above in by_id and by_id[above]["body"] == "How much was it?" and by_id[child]["body"] not in TOMBSTONES
    ]
    assert len(answers) > 10
    assert sum(bool(re.search(r"[$€£]\d|free|much|ask", answer)) for answer in answers) > 0.7 * len(answers)


def test_bots_and_moderators_are_marked(comments: list[Comment]) -> None:
    authors = Counter(comment["author"] for comment in comments)
    assert 0.003 < authors["AutoModerator"] / len(comments) < 0.012
    assert sum(authors[bot] > 0 for bot in BOTS) >= 5
    assert {comment["distinguished"] for comment in comments} == {None, "moderator"}
    for comment in comments:
        if comment["author"] == "AutoModerator":
            assert comment["distinguished"] == "moderator"
            assert comment["stickied"]


def test_some_subreddits_and_people_are_more_popular(comments: list[Comment]) -> None:
    subreddits = Counter(comment["subreddit"] for comment in comments)
    assert 120 < len(subreddits) < 200
    assert subreddits.most_common(1)[0][1] > 10 * subreddits.most_common()[len(subreddits) // 2][1]
    assert len({comment["author"] for comment in comments}) > 5000


def test_people_talk_back_to_those_who_answered_them(comments: list[Comment]) -> None:
    by_id = {comment["id"]: comment for comment in comments}
    answered = parents(comments)
    chains = [(child, answered[above]) for child, above in answered.items() if answered.get(above) in by_id]
    same = sum(by_id[child]["author"] == by_id[first]["author"] != "[deleted]" for child, first in chains)
    assert 0.15 < same / len(chains) < 0.5


def test_file_that_exists_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "RC_2006-01.zst").write_text("old")
    write_sample(str(tmp_path), comments=5)
    assert len(read_lines(tmp_path / "RC_2006-01.zst")) == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"comments": 0}, "comments is 0; ask for 1 or more"),
        ({"comments": -5}, "comments is -5"),
        ({"comments": 10**9}, "ask for fewer comments or more months"),
        ({"comments": 1, "months": 0}, "months is 0; ask for 1 to 1200"),
        ({"comments": 1, "months": 1201}, "months is 1201"),
        ({"comments": 1, "start": "2006-13"}, "'2006-13' is no month of the dumps; give one as YYYY-MM"),
        ({"comments": 1, "start": "06-1"}, "'06-1' is no month"),
        ({"comments": 1, "start": "2005-11"}, "from 2005-12 on"),
        ({"comments": 1, "months": 2, "start": "9999-12"}, "end after 9999-12; start earlier"),
        ({"comments": 1, "seed": -1}, "seed is -1; give 0 or more"),
    ],
)
def test_bad_argument_is_told_with_its_remedy(tmp_path: Path, arguments: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        write_sample(str(tmp_path / "out"), **arguments)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"cannot write into .*file.*; give a folder that can be made"):
        write_sample(str(tmp_path / "file"), comments=1)
    with pytest.raises(ConfigError, match="is not a local folder"):
        write_sample("gs://bucket/sample", comments=1)
