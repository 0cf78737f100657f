"""L12: answers of the model, good and bad."""

from random import Random

import pytest

from inference.language_model import parse
from inference.language_model.block import Block


def test_a_whole_block() -> None:
    text = (
        "<think>\nbpm: 120\ncaption: Pop: bright, wide\n  and: loud\n  bpm: 3\nduration: 60\n"
        "genres: pop, rock\nkeyscale: F♯ minor\nlanguage: yue\ntimesignature: 6\n</think>"
    )
    assert parse.block(text) == Block(
        bpm=120,
        caption="Pop: bright, wide and: loud bpm: 3",
        duration=60,
        genres="pop, rock",
        keyscale="F♯ minor",
        language="yue",
        timesignature="6",
    )


@pytest.mark.parametrize(
    ("text", "block"),
    [
        ("", Block()),
        ("no block at all", Block()),
        ("<think>\n\n</think>", Block()),
        ("bpm: 90\nbpm: 100", Block(bpm=90)),
        ("bpm: 29\nduration: 601\nkeyscale: H minor\nlanguage: xx\ntimesignature: 5", Block()),
        ("bpm: ٣٣\nduration: 1e2", Block()),
        ("timesignature: '4'\nlanguage: 'no'\nbpm: \"60\"", Block(bpm=60, timesignature="4", language="no")),
        ("caption: a\u2028b\u0085c\n  d", Block(caption="a\u2028b\u0085c d")),
        ("caption: 'It''s: fine'", Block(caption="It's: fine")),
        ("<think>caption: <|im_end|>x<think>", Block(caption="x")),
        ("caption:\n  below", Block(caption="below")),
        ("caption: a\x00b", Block(caption="ab")),
        ("stray\nlanguage: unknown\n</think>\nbpm: 60", Block(language="unknown")),
        ("bpm: " + "9" * 5000, Block()),
    ],
)
def test_odd_blocks(text: str, block: Block) -> None:
    assert parse.block(text) == block


def test_the_upper_end_of_the_duration_can_be_lower() -> None:
    assert parse.block("duration: 240", max_duration_s=240).duration == 240
    assert parse.block("duration: 241", max_duration_s=240).duration is None


@pytest.mark.parametrize(
    ("text", "lyrics"),
    [
        ("<think>\nbpm: 60\n</think>\n\n# Lyric\n[verse]\nla\n<|im_end|>", "[verse]\nla"),
        ("</think>\n# Languages\nen\n\n# Lyric\n[verse]\nla", "[verse]\nla"),
        ("</think>\n\n[verse]\n# Lyric of mine", "[verse]\n# Lyric of mine"),
        ("</think><|im_end|>", ""),
        ("</think>\n\n# Lyric\n", ""),
        ("</think>la<think>la</think>", "lala"),
        ("</think>" + "x" * 5000, "x" * 4096),
        ("</think>a\x00b\x1b\ufffdc\td\ne", "abc\td\ne"),
        ("", ""),
    ],
)
def test_lyrics(text: str, lyrics: str) -> None:
    assert parse.lyrics(text) == lyrics


def test_codes_and_their_text_are_inverse() -> None:
    codes = (0, 63_999, 7)
    assert parse.code_text(codes) == "<|audio_code_0|><|audio_code_63999|><|audio_code_7|>"
    assert parse.codes(parse.code_text(codes)) == codes
    assert parse.codes("x<|audio_code_1|> <|audio_code_|><|audio_code_-2|>") == (1,)


def test_garbage_never_raises() -> None:
    random = Random(5)
    pieces = [
        "<think>",
        "</think>",
        "\n",
        "bpm: ",
        "caption:",
        "  ",
        "'",
        "\u2028",
        "\ufffd",
        "9",
        "# Lyric",
        "\x00",
    ]
    for _ in range(2000):
        text = "".join(random.choices(pieces, k=random.randrange(30)))
        parse.block(text)
        parse.lyrics(text)
        parse.is_complete(text)
