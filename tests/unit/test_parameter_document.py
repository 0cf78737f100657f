from app.cli.parameters import DOCUMENT, render
from app.domain.params import PARAMETERS


def test_the_committed_document_is_the_one_that_the_table_makes() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == render(), "run `make docs`"


def test_it_shows_every_name() -> None:
    text = render()
    assert [name for parameter in PARAMETERS for name in parameter.names if f"`{name}`" not in text] == []
