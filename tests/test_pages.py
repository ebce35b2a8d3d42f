"""Pages that teach by doing run: their blocks are executed in order, each page in one empty folder.

A block directly under `<!-- not run -->` is left out. Python blocks share one namespace. Of a console block
the lines that start with `$ ` are run: a trailing backslash continues a line, a trailing `&` leaves the
command running until the tour ends. A bash block is run whole.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
PAGES = (
    "README.md",
    "docs/ci-gate.md",
    "docs/clients.md",
    "docs/consistency.md",
    "docs/contracts.md",
    "docs/data-quality.md",
    "docs/integrations.md",
    "docs/lineage.md",
    "docs/point-in-time.md",
)
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SKIP = "<!-- not run -->"


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, its text, and the line of the file on which the text starts."""

    language: str
    text: str
    line: int


def tour(markdown: str) -> Iterator[Block]:
    for fence in FENCE.finditer(markdown):
        above = markdown[: fence.start()].rstrip()
        if fence[1] in {"python", "console", "bash"} and not above.endswith(SKIP):
            yield Block(fence[1], fence[2], markdown.count("\n", 0, fence.start(2)) + 1)


def commands(block: Block) -> list[str]:
    """Return the shell commands of a block, without the output that a console block shows."""
    if block.language == "bash":
        return [block.text]
    joined = re.sub(r"\\\n>? *", "", block.text)
    return [line.removeprefix("$ ") for line in joined.splitlines() if line.startswith("$ ")]


def environment() -> dict[str, str]:
    """Return the environment of a reader who activated the virtual environment and set nothing else."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FEATURESTORE_")}
    return {**kept, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"}


def execute(block: Block, page: str, namespace: dict[str, object]) -> None:
    # The padding and the real file name give tracebacks, and inspect.getsource, the page's own lines.
    code = compile("\n" * (block.line - 1) + block.text, str(ROOT / page), "exec", dont_inherit=True)
    exec(code, namespace)


def shell(command: str, folder: Path, where: str) -> None:
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.returncode == 0, (
        f"{where}: `{command.strip()}` ended with {result.returncode}\n{result.stdout}{result.stderr}"
    )


def start(command: str, folder: Path, log: Path, stack: ExitStack) -> None:
    """Start a command that keeps running, wait for the address it names, and stop it when the tour ends."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            cwd=folder,
            env=environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    stack.callback(stop, process)
    words = shlex.split(command)
    if "--address" not in words:
        return
    host, port = words[words.index("--address") + 1].rsplit(":", 1)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, f"`{command}` ended early\n{log.read_text()}"
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"`{command}` did not listen within a minute\n{log.read_text()}")


def stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", PAGES)
def test_the_page_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = list(tour((ROOT / page).read_text(encoding="utf-8")))
    assert any(block.language == "python" for block in blocks), "there is nothing to run"
    folder = tmp_path / "tour"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in [name for name in os.environ if name.startswith("FEATURESTORE_")]:
        monkeypatch.delenv(name)
    namespace: dict[str, object] = {"__name__": "__tour__"}
    with ExitStack() as stack:
        for block in blocks:
            if block.language == "python":
                execute(block, page, namespace)
                continue
            for number, command in enumerate(commands(block)):
                if command.rstrip().endswith("&"):
                    log = tmp_path / f"line-{block.line}-{number}.log"
                    start(command.rstrip().removesuffix("&").strip(), folder, log, stack)
                else:
                    shell(command, folder, f"{page}:{block.line}")


def test_blocks_under_the_mark_are_left_out() -> None:
    markdown = f"{SKIP}\n```bash\nmake demo\n```\n\nText.\n\n```python\nx = 1\n```\n```text\nnothing\n```\n"
    assert list(tour(markdown)) == [Block("python", "x = 1\n", 9)]


def test_console_blocks_run_their_prompt_lines() -> None:
    block = Block("console", "$ echo one \\\n    two\none two\n$ echo three\nthree\n", 1)
    assert commands(block) == ["echo one two", "echo three"]
