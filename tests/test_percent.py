"""Notebooks as plain Python files."""

from __future__ import annotations

import ast
from pathlib import Path

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from callboard.messages.ids import CellId
from callboard.messages.payloads import CellConfig
from callboard.percent import (
    NotebookFormatError,
    SourceCell,
    dumps,
    header,
    load,
    markdown_code,
    parse,
)


def codes(source: str) -> list[str]:
    return [cell.code for cell in parse(source)]


def test_markers_open_cells() -> None:
    source = "# %%\na = 1\n\n#%%\n\nb = 2\n\nc = 3\n\n# %%\n"
    assert codes(source) == ["a = 1", "b = 2\n\nc = 3", ""]


def test_a_file_without_a_marker_is_one_cell() -> None:
    assert codes("a = 1\nb = 2\n") == ["a = 1\nb = 2"]
    assert codes("") == []


def test_comments_before_the_first_marker_are_the_header_and_code_is_a_cell() -> None:
    metadata = "#!/usr/bin/env python\n# /// script\n# dependencies = []\n# ///"
    source = f"{metadata}\n\n# %%\na\n"
    assert codes(source) == ["a"]
    assert header(source) == metadata
    assert codes(f"{metadata}\nimport os\n# %%\na\n") == [f"{metadata}\nimport os", "a"]
    assert header(f"{metadata}\nimport os\n# %%\na\n") == ""


def test_only_a_marker_at_the_start_of_a_line_counts() -> None:
    assert codes("# %%\nif x:\n    # %%\n    y\nz  # %%\n") == ["if x:\n    # %%\n    y\nz  # %%"]
    assert codes("# %%\n# %%timeit\n#%matplotlib\n") == ["# %%timeit\n#%matplotlib"]


@pytest.mark.parametrize("quotes", ['"""', "'''"])
@pytest.mark.parametrize("prefix", ["", "r", "f", "rb"])
def test_a_marker_inside_a_string_is_none(quotes: str, prefix: str) -> None:
    code = f"x = {prefix}{quotes}\n# %%\ny = 1\n# %% z\n{quotes}"
    assert codes(f"# %%\n{code}\n# %%\nnext") == [code, "next"]


def test_a_marker_inside_a_string_is_none_even_in_a_cell_with_a_mistake() -> None:
    code = "x = '''\n# %%\ny = 1\n'''\nthis is no python ("
    assert codes(f"# %%\n{code}\n# %%\nnext") == [code, "next"]


def test_quotes_in_comments_and_other_strings_open_nothing() -> None:
    source = "# %%\n# don't \"\"\"\nx = \"'''\"\ny = '\\'\\'\\''\n# %%\nnext"
    assert len(parse(source)) == 2


@pytest.mark.parametrize(
    "broken",
    [
        'x = """never closed',
        "x = '''never closed",
        "x = 'never closed",
        "x = (",
        "    indented",
        "!ls",
        "def f(:",
        "x = \\",
    ],
)
def test_a_cell_with_a_mistake_is_a_cell_and_costs_no_other(broken: str) -> None:
    source = f'# %%\n{broken}\n# %%\na = 1\n# %%\n"""a docstring"""\n# %%\nb = 2\n'
    assert codes(source) == [broken, "a = 1", '"""a docstring"""', "b = 2"]


def test_titles_name_cells() -> None:
    names = [cell.name for cell in parse("# %% Load the data\n# %%\n#%%  Plot  it \n# %% x = 1\n")]
    assert names == ["Load the data", "", "Plot  it", "x = 1"]


def test_options_set_the_config_and_others_are_kept() -> None:
    (cell,) = parse('# %% T disabled=True hide_code=true column=2 tags=["a", "b"] who="me"\na')
    assert cell.name == "T"
    assert cell.config == CellConfig(column=2, disabled=True, hide_code=True)
    assert cell.options == {"tags": '["a", "b"]', "who": '"me"'}


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("disabled=maybe", "disabled must be true or false, not 'maybe'"),
        ("hide_code=1", "hide_code must be true or false, not '1'"),
        ("column=-1", "column must be a number from 0 on, not '-1'"),
    ],
)
def test_an_impossible_option_is_refused_with_file_line_and_cell(option: str, reason: str) -> None:
    with pytest.raises(NotebookFormatError) as caught:
        parse(f"# %%\na\n\n# %% {option}\n", "book.py")
    assert str(caught.value) == f"book.py, line 4 (cell 2): {reason}"
    assert (caught.value.line, caught.value.cell) == (4, 2)


def test_ids_come_from_titles_else_from_positions() -> None:
    source = "# %% Load: data!\n# %%\n# %% load data\n# %% cell 2\n# %% ...\n"
    ids = [cell.id for cell in parse(source)]
    assert ids == ["load_data", "cell_2_2", "load_data_2", "cell_2", "cell_5"]


def test_only_the_exact_title_asks_for_the_setup_cell() -> None:
    assert [cell.id for cell in parse("# %% setup\n# %% Setup\n")] == ["setup", "setup_cell"]


def test_adding_an_untitled_cell_at_the_end_changes_no_id() -> None:
    source = "# %%\na\n# %% T\nb\n# %%\nc\n"
    assert [c.id for c in parse(source)] == [c.id for c in parse(f"{source}# %%\nd\n")][:3]


def test_the_line_of_a_cell_is_where_its_code_starts() -> None:
    source = "# header\n# %%\n\n\na\n# %%\nb\n"
    lines = source.split("\n")
    for cell in parse(source):
        assert lines[cell.line - 1] == cell.code


def test_markdown_cells_of_comments_show_their_text() -> None:
    imports, cell = parse("# %% [markdown]\n# # Title\n#\n#   indented\n# *text*\n")
    assert cell.markdown == "# Title\n\n  indented\n*text*"
    assert cell.code == 'cb.md(r"""\n# Title\n\n  indented\n*text*\n""")'
    assert (imports.code, imports.implied) == ("import callboard as cb", True)


def test_markdown_cells_of_a_string_show_their_text() -> None:
    _, cell = parse("# %% Intro [md] hide_code=true\n'''\n# Title\n# %%\ntext\n'''\n")
    assert cell.markdown == "# Title\n# %%\ntext"
    assert cell.name == "Intro"
    assert cell.config.hide_code


@pytest.mark.parametrize(
    "imports",
    [
        "import callboard as cb",
        "import os, callboard as cb",
        "try:\n    import callboard as cb\nexcept ImportError:\n    pass",
    ],
)
def test_no_import_is_added_where_there_is_one(imports: str) -> None:
    assert len(parse(f"# %%\n{imports}\n# %% [markdown]\n# a\n")) == 2


@pytest.mark.parametrize(
    "other",
    [
        "import callboard",
        "def f():\n    import callboard as cb",
        "'''\nimport callboard as cb\n'''",
        "import callboard as cb (",
    ],
)
def test_an_import_is_added_where_there_only_seems_to_be_one(other: str) -> None:
    assert [cell.implied for cell in parse(f"# %%\n{other}\n# %% [markdown]\n# a\n")] == [
        True,
        False,
        False,
    ]


def test_a_notebook_without_markdown_needs_no_import() -> None:
    assert codes("# %%\na") == ["a"]


@given(st.text(st.characters(exclude_characters="\r\0", exclude_categories=["Cs"])))
@example('"""')
@example("'''\"\"\"")
@example("\\")
@example('a"')
def test_markdown_code_shows_exactly_the_text(text: str) -> None:
    (statement,) = ast.parse(markdown_code(text)).body
    match statement:
        case ast.Expr(value=ast.Call(args=[ast.Constant(value=shown)])):
            assert shown in (text, f"\n{text}\n")
        case _:
            raise AssertionError(statement)


def test_a_file_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "book.py"
    path.write_bytes("\ufeff# %%\r\nx = 'é'\r\n# %%\r\ny\r\n".encode())
    assert [cell.code for cell in load(path)] == ["x = 'é'", "y"]


def test_a_file_that_is_not_utf_8_is_refused_with_line_and_cell(tmp_path: Path) -> None:
    path = tmp_path / "book.py"
    path.write_bytes(b"# %%\na\n# %%\nb = '\xe9'\n")
    with pytest.raises(NotebookFormatError, match=r"book\.py, line 4 \(cell 2\): not UTF-8"):
        load(path)


def test_a_null_character_is_refused_with_line_and_cell() -> None:
    with pytest.raises(
        NotebookFormatError, match=r"line 2 \(before the first cell\): holds a null"
    ):
        parse("a\n\0\n# %%\n")


def test_code_that_holds_a_marker_cannot_be_written() -> None:
    cell = SourceCell(CellId("c"), "a\n# %%\nb")
    with pytest.raises(ValueError, match="cell c cannot be written"):
        dumps([cell])


fragments = st.sampled_from(
    [
        "# %%\n",
        "#%%\n",
        "# %% A title\n",
        "# %% [markdown]\n",
        "# %% [raw] x\n",
        "# %% A [md] disabled=true who='x y'\n",
        "# %% hide_code=true column=3 tags=[1]\n",
        "\n",
        "\n\n",
        "x = 1\n",
        "# a comment\n",
        "# don't\n",
        "if x:\n    y\n",
        "import callboard as cb\n",
        '"""',
        "'''",
        '"',
        "'",
        "\\",
        "(",
        ")\n",
        "\t",
        "%%",
        "# ",
        "\r\n",
        "é\n",
    ]
)


def opens_a_string(code: str) -> bool:
    """Whether the code opens a string and does not close it."""
    try:
        ast.parse(code)
    except (SyntaxError, ValueError):
        return "'''" in code or '"""' in code
    return False


@given(st.lists(fragments, max_size=30).map("".join))
@example('"""# %%\n# %% [markdown]\nx = 1\n"""# %%\n"""')
def test_every_text_is_a_notebook_that_is_written_as_it_is_read(source: str) -> None:
    cells = parse(source)
    try:
        text = dumps(cells, header(source))
    except ValueError:
        assert any(opens_a_string(cell.code) for cell in cells)
        return
    assert parse(text) == cells
    assert header(text) == header(source).strip("\n")
    assert dumps(parse(text), header(text)) == text


@given(st.lists(fragments, max_size=30).map("".join))
def test_no_line_of_a_file_is_lost(source: str) -> None:
    cells = parse(source)
    kept = "\n".join([header(source), *(cell.code for cell in cells)])
    kept_words = kept.split()
    for line in source.replace("\r\n", "\n").split("\n"):
        if not line.lstrip().startswith(("#", "'", '"')):
            for word in line.split():
                assert word in kept_words or any(cell.markdown is not None for cell in cells)


titles = st.text(st.characters(exclude_characters="\n\r\0", exclude_categories=["Cs"]))


@given(
    st.lists(
        st.builds(
            SourceCell,
            id=st.just(CellId("")),
            code=st.sampled_from(["x = 1", "import callboard as cb", "'''\n# %%\n'''", ""]),
            name=titles,
            config=st.builds(
                CellConfig,
                column=st.none() | st.integers(0, 99),
                disabled=st.booleans(),
                hide_code=st.booleans(),
            ),
        ),
        max_size=6,
    )
)
def test_titles_and_configs_survive_writing_and_reading(cells: list[SourceCell]) -> None:
    read = [cell for cell in parse(dumps(cells)) if not cell.implied]
    assert [(c.code, c.name, c.config) for c in read] == [(c.code, c.name, c.config) for c in cells]


@given(st.lists(st.text(alphabet="# %ab'\"\n\\"), max_size=4))
def test_markdown_survives_writing_and_reading(texts: list[str]) -> None:
    cells = [
        SourceCell(CellId(""), markdown_code(text), markdown=text)
        for text in (text.strip("\n") for text in texts)
    ]
    read = [cell for cell in parse(dumps(cells)) if not cell.implied]
    assert [attrs.evolve(cell, id=CellId("")) for cell in read] == cells
