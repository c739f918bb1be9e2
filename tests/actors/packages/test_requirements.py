"""What may be installed, and how it is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.actors.packages.requirements import (
    MAX_LENGTH,
    RefusedRequirement,
    Requirement,
    merge,
    parse_requirement,
    requested,
    split_requirements,
)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("pandas", ["pandas"]),
        ("  pandas\n", ["pandas"]),
        ("pandas numpy", ["pandas", "numpy"]),
        ("pandas, numpy", ["pandas", "numpy"]),
        ("pandas,numpy", ["pandas", "numpy"]),
        ("pandas\nnumpy", ["pandas", "numpy"]),
        ("pandas >= 2 numpy", ["pandas>=2", "numpy"]),
        ("pandas[b,a]>=1,<2 foo", ["pandas[a,b]<2,>=1", "foo"]),
        ("pandas (>=1,<2) foo", ["pandas<2,>=1", "foo"]),
        ("pandas [ a , b ] foo", ["pandas[a,b]", "foo"]),
        (
            "a>=1, <2; python_version < '4' b[x]",
            ['a<2,>=1 ; python_version < "4"', "b[x]"],
        ),
        (
            "a ; os_name == 'x, y' and extra == 'z', b",
            ['a ; os_name == "x, y" and extra == "z"', "b"],
        ),
        ("Foo.Bar", ["Foo.Bar"]),
        ("discord.py", ["discord.py"]),
    ],
)
def test_one_string_may_hold_several_packages(text: str, read: list[str]) -> None:
    assert [str(requirement) for requirement in split_requirements(text)] == read


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("-r requirements.txt", "option"),
        ("--index-url=https://example.org", "option"),
        ("foo --pre", "option"),
        ("-e .", "option"),
        (".", "path"),
        ("./foo", "path"),
        ("foo/bar", "path"),
        ("~/foo", "path"),
        (r"C:\foo", "path"),
        ("foo-1.0-py3-none-any.whl", "file name"),
        ("foo.tar.gz", "file name"),
        ("https://example.org/foo.whl", "URL"),
        ("git+ssh://git@example.org/foo.git", "URL"),
        ("file:foo", "URL"),
        ("foo @ https://example.org/foo.whl", "URL"),
        ("foo@git+https://example.org/foo", "URL"),
        ("bar foo @ file:///foo", "URL"),
        ("foo>=", "not the name"),
        ("foo; nonsense", "not the name"),
        ("foo && rm -rf", "not the name"),
        ("foo $(id)", "not the name"),
        ("", "names no package"),
        (" , ", "names no package"),
        ("é", "not the name"),
        ("a" * (MAX_LENGTH + 1), "longer"),
    ],
)
def test_anything_but_names_is_refused_and_the_refusal_quotes_it(text: str, why: str) -> None:
    with pytest.raises(RefusedRequirement, match=why) as refusal:
        split_requirements(text)
    assert refusal.value.text[:60] == text[:60]
    assert text[:50].encode("unicode_escape").decode() in str(refusal.value) or repr(text[:50])[
        1:-1
    ] in str(refusal.value)


def test_a_single_requirement_is_not_read_as_several() -> None:
    with pytest.raises(RefusedRequirement):
        parse_requirement("foo bar")


def test_a_long_list_of_names_is_read_quickly() -> None:
    names = [f"p{number}" for number in range(700)]
    assert [str(found) for found in split_requirements(" ".join(names))] == names


@pytest.mark.parametrize("version", ["", "latest", " ", None])
def test_an_empty_version_leaves_a_package_unpinned(version: str | None) -> None:
    assert [str(found) for found in requested({"pandas": version})] == ["pandas"]


def test_a_version_goes_with_the_name_however_name_and_extras_are_spelled() -> None:
    assert [str(found) for found in requested({"Foo_Bar[b,a]": "1.0", "foo-bar[A]": ""})] == [
        "Foo_Bar[a,b]==1.0"
    ]


def test_a_version_may_end_in_a_wildcard() -> None:
    assert [str(found) for found in requested({"pandas": "2.*"})] == ["pandas==2.*"]


def test_a_version_joins_the_bounds_of_the_name() -> None:
    assert [str(found) for found in requested({"pandas>=2": "2.1"})] == ["pandas==2.1,>=2"]


@pytest.mark.parametrize("version", [">=2", "=2", "2 --pre", "two", "2; python_version < '4'", "*"])
def test_a_version_that_is_none_is_refused(version: str) -> None:
    with pytest.raises(RefusedRequirement, match="version"):
        requested({"pandas": version})


def test_one_package_under_two_conditions_is_refused() -> None:
    with pytest.raises(RefusedRequirement, match="another condition"):
        requested({"a; os_name == 'nt'": "", "A": ""})


names = st.from_regex(r"[A-Za-z][A-Za-z0-9]{0,5}([-_.][A-Za-z0-9]{1,4})?", fullmatch=True).filter(
    lambda name: "." not in name
)
made = st.builds(
    Requirement,
    name=names,
    extras=st.sets(st.sampled_from(["a", "b", "c-d"])).map(lambda found: tuple(sorted(found))),
    specifier=st.sampled_from(["", "==1.0", "<2,>=1"]),
    marker=st.sampled_from(["", 'python_version < "4"']),
)


@given(made)
def test_what_was_written_is_read_back(requirement: Requirement) -> None:
    assert parse_requirement(str(requirement)) == requirement


@given(st.lists(made, min_size=1), st.sampled_from([" ", "\n", ", ", ","]))
def test_what_was_joined_is_parted_again(requirements: list[Requirement], between: str) -> None:
    text = between.join(map(str, requirements))[:MAX_LENGTH]
    if len(text) < MAX_LENGTH:
        assert split_requirements(text) == requirements


@given(st.lists(made.filter(lambda requirement: not requirement.marker)))
def test_merging_leaves_one_of_each_name_with_all_extras(requirements: list[Requirement]) -> None:
    merged = merge(requirements)
    keys = [requirement.key for requirement in merged]
    assert sorted(set(keys)) == sorted(keys)
    for requirement in merged:
        same = [each for each in requirements if each.key == requirement.key]
        assert set(requirement.extras) == {extra for each in same for extra in each.extras}
    assert [requirement.label for requirement in merged] == sorted(
        requirement.label for requirement in merged
    )


@given(st.text(max_size=60))
def test_no_text_whatever_gets_an_option_or_a_path_through(text: str) -> None:
    try:
        found = requested({text: ""})
    except RefusedRequirement:
        return
    for requirement in found:
        argument = str(requirement)
        assert argument[0].isalnum()
        assert "/" not in requirement.label
        assert "\\" not in requirement.label
        assert "://" not in argument
