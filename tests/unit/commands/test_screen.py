"""What is printed fits the screen, breaks no word, and can be read on white and on black."""

from __future__ import annotations

import io

import pytest
from rich.text import Text

from retry_run_task.commands.shared.colours import COLOURS
from retry_run_task.commands.shared.screen import Screen, hanging, screen

HEAD = "00:00:00  EventBridge invoice-export  "
BODY = "RunTask: 0 of 1 started. Capacity is unavailable at this time"
ADDRESS = "https://example.org/" + "a" * 90


def lines(body: str, width: int, head: str = HEAD) -> list[str]:
    return [line.plain for line in hanging(Text(head), Text(body), width)]


@pytest.mark.parametrize("width", [63, 80, 99, 100, 120, 1000])
def test_no_word_is_broken_and_no_line_is_too_long(width: int) -> None:
    found = lines(BODY, width)
    assert all(len(line) <= width for line in found)
    assert " ".join(" ".join(found).split()) == " ".join((HEAD + BODY).split())
    assert found[0].startswith(HEAD + "RunTask:")
    assert all(line.startswith(" " * len(HEAD)) for line in found[1:])


def test_it_uses_the_line() -> None:
    assert len(lines(BODY, 99)) == 1
    assert len(lines(BODY, 98)) == 2


def test_where_there_is_no_room_beside_the_heading_it_stands_below() -> None:
    found = lines(BODY, 40)
    assert found[0] == HEAD
    assert all(line.startswith("    ") and len(line) <= 40 for line in found[1:])


def test_a_heading_s_style_is_its_own() -> None:
    found = list(hanging(Text("gave up  ", style="red"), Text("too late " * 20), 60))
    assert [(span.start, span.end) for span in found[0].spans if span.style == "red"] == [(0, 9)]
    assert not any(line.style for line in found)
    assert not any(span.style == "red" for line in found[1:] for span in line.spans)


def test_an_address_is_left_whole() -> None:
    found = lines(f"see {ADDRESS} for more", 80)
    assert [line.strip() for line in found] == [(HEAD + "see"), ADDRESS, "for more"]


@pytest.mark.parametrize("body", ["", " ", "  leading"])
def test_what_is_empty_is_one_line(body: str) -> None:
    assert lines(body, 80, head="") == [body.rstrip()]


@pytest.mark.parametrize("name", COLOURS)
@pytest.mark.parametrize("background", [(0, 0, 0), (255, 255, 255)], ids=["dark", "light"])
def test_a_colour_can_be_read_on_both(name: str, background: tuple[int, int, int]) -> None:
    """3:1 is what WCAG asks of large text and of marks, and no colour here has that and much more on both."""
    light, dark = sorted((luminance(COLOURS[name]), luminance(background)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 3.8


@pytest.mark.parametrize("bright", [(205, 205, 0), (0, 205, 0), (0, 205, 205)])
def test_the_colours_that_terminals_call_yellow_green_and_cyan_cannot(bright: tuple[int, int, int]) -> None:
    assert 1.05 / (luminance(bright) + 0.05) < 2.3


def luminance(colour: tuple[int, int, int]) -> float:
    """https://www.w3.org/TR/WCAG22/#dfn-relative-luminance ."""
    parts = [one / 255 for one in colour]
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_in_a_pipe_it_is_plain_and_has_no_width(monkeypatch, capsys) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    screen().print(Text(BODY * 20, style="bold red"))
    assert capsys.readouterr().out == BODY * 20 + "\n"
    monkeypatch.setenv("COLUMNS", "70")
    assert screen().width == 70


class Closed(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_a_reader_that_has_gone_is_for_main_to_handle() -> None:
    with pytest.raises(BrokenPipeError):
        Screen(file=Closed()).print("x")
