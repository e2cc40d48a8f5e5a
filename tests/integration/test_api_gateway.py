"""The gateway as a process: its door, its health, its token hook, and cut connections."""

from __future__ import annotations

import base64
import json
import os
import secrets as random
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx
import pytest

from local import programs
from local.scratch import Service
from tests.support.clusters import wait_until
from tests.support.processes import own_memory
from tests.support.stacks import RunningStack

HOOK = """
create function public.test_hook(event jsonb) returns jsonb language plpgsql set search_path = '' as $f$
begin
  if event->'claims'->>'email' like 'refused%' then
    return '{"error": {"http_code": 403, "message": "not you"}}';
  end if;
  if event->'claims'->>'email' like 'broken%' then
    raise exception 'broken';
  end if;
  return pg_catalog.jsonb_set(event, '{claims,app_metadata,role}', pg_catalog.to_jsonb(current_user::text));
end $f$;
revoke execute on function public.test_hook from public;
grant execute on function public.test_hook to supabase_auth_admin;
grant usage on schema public to supabase_auth_admin;
"""
PASSWORD = random.token_urlsafe(16)
WORKER_BYTES = 20_000_000
"""The auth worker holds more."""


@contextmanager
def restarted(stack: RunningStack, **environment: str) -> Iterator[None]:
    """The stack's gateway in another environment."""
    stack.gateway.stop()
    program = programs.gateway(stack.boot)
    other = Service(replace(program, environment={**program.environment, **environment}))
    other.start()
    try:
        yield
    finally:
        other.stop()
        stack.gateway.start()


def sign_up(stack: RunningStack, email: str) -> httpx.Response:
    """A new user."""
    body = {"email": email, "password": PASSWORD}
    return httpx.post(f"{stack.api_url}/auth/v1/signup", headers={"apikey": stack.publishable_key}, json=body)


def claims(token: str) -> dict[str, object]:
    """The claims of a token, unchecked."""
    part = token.split(".")[1]
    decoded: dict[str, object] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return decoded


def test_the_hook_decides_the_claims(stack: RunningStack) -> None:
    """It runs in SQL as supabase_auth_admin; its refusal and its failure leave no session."""
    stack.database.sql(HOOK, role="postgres")
    uri = "pg-functions://postgres/public/test_hook"
    with restarted(stack, EMPIRE_ACCESS_TOKEN_HOOK=uri):
        token = sign_up(stack, "good@example.com").json()["access_token"]
        assert claims(token)["app_metadata"]["role"] == "supabase_auth_admin"  # type: ignore[index]
        refused, broken = sign_up(stack, "refused@example.com"), sign_up(stack, "broken@example.com")
    assert (refused.status_code, refused.json()["msg"]) == (403, "not you")
    assert broken.status_code == 500
    sessions = "select u.email from auth.sessions s join auth.users u on u.id = s.user_id"
    assert stack.database.sql(sessions) == "good@example.com"


def test_unknown_hosts_are_refused(shared_stack: RunningStack) -> None:
    """A page that points its own name at loopback gets nothing, not even health."""
    for path in ("/health", "/rest/v1/", "/auth/v1/settings", "/functions/v1/webhook/x", "/"):
        answer = httpx.get(shared_stack.api_url + path, headers={"host": "evil.example"})
        assert answer.status_code == 421


@pytest.mark.parametrize(
    "path", ["/rest/v1/rpc/any", "/auth/v1/token", "/functions/v1/webhook/x/y", "/health"]
)
def test_preflights(shared_stack: RunningStack, path: str) -> None:
    """Our own page may call everything; another page is not told that it may."""
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "apikey,x-any"}
    ours = httpx.options(shared_stack.api_url + path, headers={**asked, "origin": shared_stack.api_url})
    assert (ours.status_code, ours.headers["access-control-allow-origin"]) == (204, shared_stack.api_url)
    assert ours.headers["access-control-allow-headers"] == "apikey,x-any"
    foreign = httpx.options(shared_stack.api_url + path, headers={**asked, "origin": "https://evil.example"})
    assert "access-control-allow-origin" not in foreign.headers


def test_answers_carry_cors(shared_stack: RunningStack) -> None:
    """Also the answers themselves, errors included, may be read by our page: sign-in works in a browser."""
    headers = {"origin": shared_stack.api_url, "apikey": shared_stack.publishable_key}
    for path in ("/auth/v1/user", "/rest/v1/nothing", "/auth/v1/settings", "/functions/v1/none"):
        answer = httpx.get(shared_stack.api_url + path, headers=headers)
        assert answer.headers["access-control-allow-origin"] == shared_stack.api_url, path


def test_a_socket_of_another_page_is_refused(shared_stack: RunningStack) -> None:
    """A browser does not ask before it opens a socket: the gateway looks at its Origin."""
    address = f"{shared_stack.api_url}/realtime/v1/websocket?apikey={shared_stack.publishable_key}"
    headers = {"origin": "https://evil.example", "upgrade": "websocket", "connection": "upgrade"}
    assert httpx.get(address, headers=headers).status_code == 403


def test_static_files_and_the_single_page(stack: RunningStack, tmp_path: Path) -> None:
    """Files have their type, a path without an extension is the page, nothing outside is reachable."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "index.html").write_text("<html>page</html>")
    (site / "app.js").write_text("code")
    (tmp_path / "secret.txt").write_text("secret")
    program = programs.gateway(stack.boot)
    command = [
        word + f",{tmp_path}" if word.startswith("--allow-read=") else word for word in program.command
    ]
    stack.gateway.stop()
    environment = {**program.environment, "EMPIRE_STATIC_DIR": str(site)}
    gateway = Service(replace(program, command=command, environment=environment))
    gateway.start()
    try:
        page = httpx.get(f"{stack.api_url}/accounts/5")
        assert (page.text, page.headers["content-type"]) == ("<html>page</html>", "text/html; charset=utf-8")
        assert httpx.get(f"{stack.api_url}/app.js").headers["content-type"].startswith("text/javascript")
        assert httpx.get(f"{stack.api_url}/missing.js").status_code == 404
        for path in ("/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/%2e%2e%2fsecret.txt"):
            assert "secret" not in httpx.get(stack.api_url + path).text
    finally:
        gateway.stop()
        stack.gateway.start()


def healthy(stack: RunningStack) -> bool:
    """What /health says; a gateway that is away is not healthy."""
    try:
        return httpx.get(f"{stack.api_url}/health", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def answers(stack: RunningStack) -> bool:
    """Whether it asks the database: a table that is not there is told so."""
    address = f"{stack.api_url}/rest/v1/nothing"
    try:
        answer = httpx.get(address, headers={"apikey": stack.secret_key}, timeout=5)
    except httpx.HTTPError:
        return False
    return bool(answer.status_code == 404 and answer.json()["code"] == "PGRST205")


def test_cut_connections_are_survived(stack: RunningStack) -> None:
    """All its backends are terminated: it serves again, by itself or after it was started again."""
    assert httpx.get(f"{stack.api_url}/health").json()["nonce"] == stack.boot.nonce
    cut = (
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where datname = current_database() and pid <> pg_backend_pid()"
    )
    for _ in range(3):
        stack.database.sql(cut)

        def served() -> bool:
            if stack.gateway.pid is None:
                stack.gateway.child.start()
            return healthy(stack) and answers(stack)

        wait_until(served)


def test_health_fails_without_the_database(own_stack: RunningStack) -> None:
    """With Postgres away health is no 200; with Postgres back the gateway serves again."""
    own_stack.postgres.stop()
    wait_until(lambda: not healthy(own_stack))
    own_stack.postgres.start()

    def served() -> bool:
        if own_stack.gateway.pid is None:
            own_stack.gateway.child.start()
        return healthy(own_stack)

    wait_until(served)


def test_it_ends_when_told(stack: RunningStack) -> None:
    """SIGTERM ends it in order."""
    pid = stack.gateway.pid
    assert pid is not None
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: stack.gateway.pid is None)


def test_a_database_that_hangs_does_not_keep_it(own_stack: RunningStack) -> None:
    """SIGTERM ends it though no connection can be closed."""
    user = own_stack.create_user()
    assert own_stack.sign_in(user.email, user.password)
    postgres = own_stack.postgres.pid
    assert postgres is not None
    backends = [int(pid) for pid in Path(f"/proc/{postgres}/task/{postgres}/children").read_text().split()]
    for pid in [postgres, *backends]:
        os.kill(pid, signal.SIGSTOP)
    try:
        own_stack.gateway.child.signal(signal.SIGTERM)
        wait_until(lambda: own_stack.gateway.pid is None)
    finally:
        for pid in [postgres, *backends]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def test_it_stays_small_under_load(stack: RunningStack) -> None:
    """At most 200 MB after some thousand requests."""
    table = "create table public.load (n numeric); insert into public.load select generate_series(1, 100);"
    rights = "grant select on public.load to service_role; notify pgrst, 'reload schema'"
    stack.database.sql(table + rights, role="postgres")
    with httpx.Client(base_url=stack.api_url, headers={"apikey": stack.secret_key}) as client:
        wait_until(lambda: client.get("/rest/v1/load").status_code == 200)
        for _ in range(3000):
            assert len(client.get("/rest/v1/load?n=gt.1.5").json()) == 99
    pid = stack.gateway.pid
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    assert pages * os.sysconf("SC_PAGE_SIZE") <= 200 * 1024 * 1024


def test_what_nobody_uses_is_given_back(stack: RunningStack) -> None:
    """Without work its sessions end, and the auth worker with its memory; the next request finds everything again."""
    program = programs.gateway(stack.boot)
    stack.gateway.stop()
    impatient = {**program.environment, "EMPIRE_IDLE_S": "1", "EMPIRE_AUTH_IDLE_S": "1"}
    gateway = Service(replace(program, environment=impatient))
    gateway.start()
    try:
        names = "'empire-auth', 'empire-rest', 'empire-realtime'"
        held = (
            "select count(*) from pg_stat_activity"
            f" where datname = current_database() and application_name in ({names})"
        )
        user = stack.create_user()
        # A second without work may pass between a sign-in and the look.
        wait_until(lambda: stack.sign_in(user.email, user.password) and stack.database.sql(held) != "0")
        for _ in range(2):
            rested = partial(_holds_less_than, gateway.pid, own_memory(gateway.pid) - WORKER_BYTES)
            wait_until(lambda: stack.database.sql(held) == "0")
            # At once: V8 would keep its pages for the thread that stays, for ten seconds and more.
            wait_until(rested, timeout_s=4)
            assert stack.sign_in(user.email, user.password)
            assert answers(stack)
    finally:
        gateway.stop()
        stack.gateway.start()


def _holds_less_than(pid: int, most: int) -> bool:
    return own_memory(pid) < most


def test_its_log_holds_no_secret(stack: RunningStack) -> None:
    """Neither tokens in paths nor keys nor passwords are written down."""
    headers = {"apikey": stack.secret_key}
    secret = f"k1.endpoint.1.{random.token_hex(16)}"
    httpx.post(f"{stack.api_url}/functions/v1/webhook/paper/{secret}", json={"a": 1})
    httpx.post(f"{stack.api_url}/functions/v1/{secret}", json={"a": 1})
    httpx.get(f"{stack.api_url}/rest/v1/{secret}", headers=headers)
    sign_up(stack, "logged@example.com")
    log = stack.gateway.child.program.log.read_text()
    for private in (secret, PASSWORD, stack.secret_key, "logged@example.com"):
        assert private not in log
