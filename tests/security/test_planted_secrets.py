"""Security suite no. 9: secrets planted wherever a sender or a client can put them are kept nowhere."""

from __future__ import annotations

import json
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.security.planting import columns_with, dump_with, files_with
from tests.security.senders import HTTP, Sender, alert, make_sender
from tests.support.clusters import wait_until
from tests.support.processes import run
from tests.support.stacks import RunningStack, User
from tests.support.trading import worker

# What a careless strategy may carry. By their names, or by their look, they are known to be secrets.
NAMED = {"password": "hunter2-by-name", "apiKey": "key-by-name-4711", "brokerPwd": "pwd-by-name-0815"}
LOOKS = {
    "an API key of ours": f"eth_a1B2c3D4_{'Zz9' * 14}Q",
    "a secret key of Supabase": "sb_secret_N7UND0UgjKTVK-Uodkm0Hg_xSvEMPvz",
    "a token of another endpoint": f"k9.{uuid.UUID(int=7)}.3.AbCdEfGhIjKlMnOpQrStUv",
    "a signing secret": "whsec_c29tZXRoaW5nIGVsc2VzIHNlY3JldA",
    "a JWT": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJwbGFudGVkIn0.c2lnbmF0dXJlLXBsYW50ZWQtaGVyZQ",
}


@dataclass(frozen=True)
class Scene:
    """A stack that has been through everything, its processes' output, and what must not be found."""

    stack: RunningStack
    sender: Sender
    logs: list[Path]
    words: dict[str, str]


def secrets_of(sender: Sender, password: str, access_token: str) -> dict[str, str]:
    """What must never be kept, by the name under which a failure tells of it."""
    held = sender.stack.boot.secrets
    database = sender.stack.database.home.secrets.passwords
    return {
        "endpoint MAC": sender.mac,
        "signing secret": sender.signing_secret.removeprefix("whsec_"),
        "login password": password,
        "a wrong login password": "wrong-" + password,
        "access token": access_token.rpartition(".")[2],
        "JWT secret": held.jwt_secret,
        "secret key": held.secret_key,
        "service JWT": held.service_jwt.rpartition(".")[2],
        "master key": held.token_keys.removeprefix("k1:"),
        "functions secret": held.functions_secret,
        "metrics token": held.metrics_token,
        **{f"database password of {role}": word for role, word in database.items()},
        **{f"field {name}": word for name, word in NAMED.items()},
        **{name: word.rpartition(".")[2] for name, word in LOOKS.items()},
    }


def careless(planted: list[str]) -> list[bytes]:
    """Alerts with every secret in every field that takes text, well-formed and broken."""
    text = " ".join(planted)
    filled = {
        "comment": text,
        "meta": {"said": planted[:3], **NAMED, "deep": {"token": planted[0], "list": planted[3:6]}},
    }
    bodies = [alert(ref_price=1.1, **filled), alert(ref_price=1.1, comment=text)]
    for word in planted:
        bodies += [alert(ref_price=1.1, comment=f"see {word}, please", meta={"word": word}), alert(tag=word)]
    bodies += [
        alert(symbol=planted[0][:40], comment=text),
        alert(unknown=text, **NAMED),
        alert(qty=text),
        json.dumps({"version": "unify.v1", "id": planted[0], text: text, "intent": {"side": text}}).encode(),
        f"buy EURUSD, {text}".encode(),
        json.dumps(planted).encode(),
        b'{"password": "hunter2-by-name", ' + text.encode() + b"\xff\xfe",
    ]
    return bodies


def post_alerts(sender: Sender, access_token: str) -> list[int]:
    """Alerts and forgeries, with secrets in headers, query and path, too; the events that were accepted."""
    planted = [sender.token, sender.signing_secret, access_token, *LOOKS.values()]
    headers = {
        "referer": f"https://example.com/{sender.token}",
        "user_agent": f"tool/{sender.signing_secret}",
        "cookie": f"session={access_token}",
        "authorization": f"Bearer {access_token}",
    }
    answers = [sender.post(body, **headers) for body in careless(planted)]
    assert {answer.status_code for answer in answers} <= {202, 400, 409, 422}
    shown = "".join(answer.text for answer in answers)
    assert not [word for word in (sender.mac, *NAMED.values()) if word in shown]
    sender.post(alert(), f"{sender.token}?again={sender.token}")
    sender.post(alert(), sender.token[:-1])
    sender.post_signed(alert(), f"t=1,v1={sender.mac}", sender.signing_secret)
    return [answer.json()["event_id"] for answer in answers if answer.status_code == 202]


def call_the_api(stack: RunningStack, sender: Sender, user: User) -> list[int]:
    """Sign-ins that fail, calls that fail, and an intent with everything in it; the events that were accepted."""
    auth = {"apikey": stack.publishable_key}
    for password in (user.password, "wrong-" + user.password):
        body = {"email": user.email, "password": password}
        HTTP.post(f"{stack.api_url}/auth/v1/token?grant_type=password", headers=auth, json=body)
    headers = {**auth, "authorization": f"Bearer {user.access_token}"}
    planted = {"note": sender.token, "password": user.password, "jwt": user.access_token, **NAMED}
    rest = f"{stack.api_url}/rest/v1"
    for path in ("rpc/no_such_function", "rpc/submit_intent", "orders", "no_such_table"):
        assert HTTP.post(f"{rest}/{path}", headers=headers, json=planted).status_code >= 400
    for query in (f"tag=eq.{sender.token}", f"id=eq.{sender.token}", f"{sender.signing_secret}=is.null"):
        HTTP.get(f"{rest}/orders?{query}", headers=headers)
    wrong = HTTP.post(f"{rest}/rpc/reveal_endpoint", headers=headers, json={"p_endpoint_id": sender.token})
    assert wrong.status_code == 400
    for token in (user.access_token + "x", stack.boot.secrets.service_jwt + "x"):
        assert (
            HTTP.get(f"{rest}/orders", headers={**auth, "authorization": f"Bearer {token}"}).status_code
            == 401
        )
    account = stack.database.sql(
        f"select account_id from public.webhook_endpoint_accounts where endpoint_id = '{sender.endpoint_id}'"
    )
    intent = {
        "action": "open",
        "side": "buy",
        "symbol": "EURUSD",
        "qty_mode": "lots",
        "qty": 0.1,
        "ref_price": 1.1,
        "comment": f"{sender.token} {sender.signing_secret} {' '.join(LOOKS.values())}",
        "meta": planted,
        "accounts": [account],
    }
    answer = sender.call("submit_intent", intent=intent, idempotency_key="once")
    return [answer["event_id"]]


def bury_one(sender: Sender) -> None:
    """A delivery that meets a broken book, so that its error and traceback are kept."""
    sender.stack.database.sql(
        "update engine.paper_accounts set book = '\"broken\"' where account_id in"
        f" (select account_id from public.webhook_endpoint_accounts where endpoint_id = '{sender.endpoint_id}')"
    )
    body = alert(ref_price=1.1, comment=f"{sender.token} {LOOKS['a JWT']}", meta=NAMED)
    assert sender.post(body).status_code == 202
    wait_until(lambda: sender.stack.database.sql("select count(*) from engine.dead_letters") == "1")


def wait_done(stack: RunningStack, events: list[int]) -> None:
    """Wait until every delivery of these events has ended."""
    ids = ",".join(map(str, set(events)))
    asked = f"select count(*) filter (where status in ('done', 'dead')) from public.deliveries where event_id in ({ids})"
    wait_until(lambda: stack.database.sql(asked) == str(len(set(events))), 30)


def failing_worker(stack: RunningStack) -> str:
    """What a worker says whose password is wrong, and one whose database does not exist: one sentence."""
    said = []
    for old, new in ((":", ":not-the-password-"), ("/test_", "/no_")):
        url = stack.url("empire_worker")
        at = url.rindex(old, 0, url.rindex("@")) if old == ":" else url.rindex(old)
        env = {"EMPIRE_WORKER_DATABASE_URL": url[:at] + new + url[at + len(old) :]}
        with run(sys.executable, "-m", "workers.cli", "worker", "execution", env=env, ready=None) as running:
            running.wait_for_line("The database refuses this worker")
            assert running.process.wait(20) == 2
        said.append(running.output)
    assert not [line for output in said for line in output.splitlines() if "Traceback" in line]
    return "".join(said)


@pytest.fixture(scope="module")
def scene(shared_stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Everything has happened, and the worker has ended."""
    stack = shared_stack
    password = "A-password-planted-1"
    user = stack.create_user(password=password)
    sender, other = make_sender(stack, user, server=None), make_sender(stack, user, server=None)
    with worker(stack.database) as running:
        events = post_alerts(sender, user.access_token) + call_the_api(stack, sender, user)
        wait_done(stack, events)
        bury_one(other)
    output = tmp_path_factory.mktemp("logs") / "worker.log"
    output.write_text(running.output + failing_worker(stack))
    words = secrets_of(sender, password, user.access_token) | {"other endpoint MAC": other.mac}
    return Scene(stack, sender, [output, *stack.boot.paths.logs.iterdir()], words)


def test_the_road_was_travelled(scene: Scene) -> None:
    """Nothing below is proved by an empty table: there are orders, refusals, an intent and a dead letter."""
    counted = scene.stack.database.sql(
        "select count(*) from public.orders where status = 'filled' union all"
        " select count(*) from public.webhook_events where status = 'refused' union all"
        " select count(*) from public.webhook_events where source = 'dashboard' union all"
        " select count(*) from engine.dead_letters union all"
        " select count(*) from realtime.messages union all"
        " select count(*) from public.deliveries where jsonb_array_length(trace) > 5"
    )
    assert all(int(number) > 0 for number in counted.splitlines()), counted
    assert {file.name for file in scene.logs} >= {
        "gateway.log",
        "functions.log",
        "postgres.log",
        "worker.log",
    }
    assert scene.sender.endpoint_id in scene.stack.boot.paths.log("functions").read_text()


def test_no_log_holds_a_secret(scene: Scene) -> None:
    """Postgres, gateway, functions, workers: also where a call or a login failed."""
    assert files_with(scene.logs, scene.words) == set()


def test_no_row_holds_a_secret(scene: Scene) -> None:
    """Every column of every table of the database, those of engine, auth, realtime and the catalog included."""
    assert columns_with(scene.stack.database, scene.words) == set()


def test_no_backup_holds_a_secret(scene: Scene) -> None:
    """pg_dump with data, and the roles of the cluster."""
    assert dump_with(scene.stack.database, scene.words) == set()


def test_the_search_finds_what_is_there(scene: Scene) -> None:
    """In text, JSON and bytes, in a dump and in a file: a search that finds nothing would prove nothing."""
    database = scene.stack.database
    database.sql(
        "create table engine.planted (a jsonb, b bytea, c text[]);"
        " insert into engine.planted values ('{\"x\": [\"needle-1\"]}', 'a needle-1', '{needle-1}')"
    )
    word = {"the needle": "needle-1"}
    columns = columns_with(database, word)
    assert columns == {f"engine.planted.{column}: the needle" for column in "abc"}
    assert dump_with(database, word) == {"the needle"}
    file = scene.logs[0].with_name("other.log")
    file.write_text("x needle-1 y")
    assert files_with([file], word) == {"other.log: the needle"}
    database.sql("drop table engine.planted")
