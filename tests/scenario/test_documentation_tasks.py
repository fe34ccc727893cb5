"""docs/tasks.md, done word for word: its files are written, its commands run, and what they print is compared."""
import re

import pytest

import browser
import documentation

TEXT = documentation.page("docs/tasks.md")
SECTIONS = documentation.sections(TEXT)
FIRST, *OTHERS = SECTIONS


def with_port(text, port):
    """A port that is free here, in place of the page's."""
    return text.replace("127.0.0.1:8080", f"127.0.0.1:{port}")


def do(reader, text):
    is_loaded = True
    for block in documentation.blocks(with_port(text, reader.port)):
        if block.language == "console":
            if not is_loaded and not block.text.startswith("$ bellwire reload"):
                reader.shell.expect("bellwire reload", "...\n")
            is_loaded = True
            reader.console(block)
            if "$ cd try" in block.text:
                reader.files_in = reader.top / "try"
        else:
            reader.write(block)
            is_loaded = False


@pytest.fixture(scope="module")
def reader():
    with documentation.new_folder() as folder:
        reader = documentation.Reader(folder)
        reader.port = documentation.free_port()
        try:
            do(reader, SECTIONS[FIRST])
            yield reader
        finally:
            reader.close()


@pytest.mark.parametrize("title", OTHERS)
def test_a_task_of_the_page_does_what_it_says(reader, title):
    """proves S17 W11 W15 T5 T9 T15"""
    if title == "A page that is always up to date":
        watch_in_a_browser(reader, SECTIONS[title])
    else:
        do(reader, SECTIONS[title])
    reader.end_terminals()


def watch_in_a_browser(reader, text):
    """The page that the section tells to open and leave open."""
    assert browser.PROGRAM, "chromium is not installed: scripts/install-deps --tests does that"
    files, commands = text.split("```console", 1)
    do(reader, files)
    reader.shell.expect("bellwire reload", "...\n")
    with browser.Browser() as chromium:
        board = chromium.page(with_port("http://127.0.0.1:8080/board", reader.port))
        board.wait("document.body && document.body.innerText.includes('not known how warm')")
        documentation.wait_for(lambda: "/board/live" in reader.shell.run("bellwire session list")[1], "the page is connected")
        do(reader, "```console" + commands)
        board.wait("document.body.innerText.includes('It is 21.5 degrees warm')")
        later = chromium.page(with_port("http://127.0.0.1:8080/board", reader.port))
        later.wait("document.body && document.body.innerText.includes('It is 21.5 degrees warm')")


def test_the_page_holds_what_it_promises():
    """Every block is one that is run, and there are as many tasks as the first line says."""
    assert len(OTHERS) == 15 and TEXT.startswith("# Worked tasks\n\nFifteen tasks")
    for block in documentation.blocks(TEXT):
        assert block.language == "console" or documentation.file_of(block), block
    assert TEXT.count("\n```") == 2 * len(documentation.blocks(TEXT))
    for name in re.findall(r"\]\(([^)#]+)", TEXT):
        assert (documentation.ROOT / "docs" / name).exists(), name
