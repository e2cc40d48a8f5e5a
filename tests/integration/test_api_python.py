"""The gateway as supabase-py sees it, its sync and its async client."""

from __future__ import annotations

import asyncio
import secrets as random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import httpx
import pyotp
import pytest
from postgrest.exceptions import APIError
from supabase_auth.errors import AuthApiError

from supabase import AsyncClient, Client, acreate_client, create_client
from tests.support.clusters import wait_until
from tests.support.stacks import RunningStack, User

SCHEMA = """
create table public.{name} (
  id int primary key, label text not null, price numeric(20, 8), big bigint, tags text[], doc jsonb,
  owner uuid default auth.uid()
);
alter table public.{name} enable row level security;
create policy "a user sees his own rows" on public.{name} for all to authenticated
  using (owner = (select auth.uid())) with check (owner = (select auth.uid()));
grant select, insert, update, delete on public.{name} to authenticated, service_role;
create function public.{name}_add(a int, b int default 2) returns int language sql as 'select a + b';
create function public.{name}_refuse() returns void language plpgsql as
  $f$ begin raise exception 'not today' using hint = 'tomorrow'; end $f$;
grant execute on function public.{name}_add, public.{name}_refuse to authenticated, service_role;
notify pgrst, 'reload schema';
"""
SEEN_BY_ITS_USER = """
create policy "{name}" on realtime.messages for select to authenticated
  using (extension = 'broadcast' and (select realtime.topic()) = '{name}:' || (select auth.uid())::text);
"""


@pytest.fixture
def table(shared_stack: RunningStack) -> str:
    """A table of the test's own, with five rows, that the gateway serves."""
    name = f"py_{random.token_hex(4)}"
    shared_stack.database.sql(SCHEMA.format(name=name), role="postgres")
    address = f"{shared_stack.api_url}/rest/v1/{name}?limit=0"
    headers = {"apikey": shared_stack.secret_key}
    wait_until(lambda: httpx.get(address, headers=headers).status_code == 200)
    return name


@pytest.fixture
def service(shared_stack: RunningStack) -> Client:
    """A sync client with the secret key."""
    return create_client(shared_stack.api_url, shared_stack.secret_key)


def client_of(stack: RunningStack) -> Client:
    """A sync client with the publishable key."""
    return create_client(stack.api_url, stack.publishable_key)


def rows(count: int = 5) -> list[dict[str, Any]]:
    """Rows for the table."""
    return [{"id": n, "label": f"n{n}", "tags": ["a", f"t{n}"], "doc": {"k": n}} for n in range(1, count + 1)]


def data(answer: Any) -> list[dict[str, Any]]:
    """The rows of an answer."""
    found: list[dict[str, Any]] = answer.data
    return found


def refused(action: Callable[[], object]) -> AuthApiError:
    """The auth error that the action ends with."""
    with pytest.raises(AuthApiError) as caught:
        action()
    return caught.value


def test_rows_are_written_and_read(service: Client, table: str) -> None:
    """Insert, upsert, update, delete and select return what is in the table."""
    service.table(table).insert(rows()).execute()
    service.table(table).upsert({"id": 1, "label": "other"}).execute()
    changed = service.table(table).update({"label": "x"}).eq("id", 2).execute()
    assert [row["label"] for row in data(changed)] == ["x"]
    service.table(table).delete().eq("id", 3).execute()
    found = service.table(table).select("id,label").order("id").execute()
    assert [(row["id"], row["label"]) for row in data(found)] == [
        (1, "other"),
        (2, "x"),
        (4, "n4"),
        (5, "n5"),
    ]


def test_numbers_are_exact(service: Client, shared_stack: RunningStack, table: str) -> None:
    """A decimal and a big integer sent as text are stored and come back digit by digit."""
    exact = {"id": 1, "label": "x", "price": "123456789012.12345670", "big": "9007199254740993"}
    made = data(service.table(table).insert(exact).execute())[0]
    assert made["big"] == 9007199254740993
    stored = shared_stack.database.sql(f"select price, big from public.{table}")
    assert stored == "123456789012.12345670|9007199254740993"
    address = f"{shared_stack.api_url}/rest/v1/{table}?select=price"
    answer = httpx.get(address, headers={"apikey": shared_stack.secret_key})
    assert answer.text == '[{"price":123456789012.12345670}]'
    assert Decimal(answer.text.split(":")[1].rstrip("}]")) == Decimal("123456789012.1234567")


def test_filters_count_and_range(service: Client, table: str) -> None:
    """Filters select, count counts, range pages."""
    service.table(table).insert(rows()).execute()
    query = service.table(table).select("id", count="exact").order("id")  # type: ignore[arg-type]
    page = query.range(1, 2).execute()
    assert (page.count, [row["id"] for row in data(page)]) == (5, [2, 3])
    found = service.table(table).select("id").or_("id.eq.1,label.eq.n5").order("id").execute()
    assert [row["id"] for row in data(found)] == [1, 5]
    found = service.table(table).select("id").contains("doc", {"k": 2}).execute()
    assert [row["id"] for row in data(found)] == [2]
    found = service.table(table).select("id").in_("label", ["n1", "n2"]).contains("tags", ["t2"]).execute()
    assert [row["id"] for row in data(found)] == [2]
    assert service.table(table).select("id").eq("id", 99).maybe_single().execute() is None


def test_functions_and_errors(service: Client, table: str) -> None:
    """A function returns its value; a raised error keeps code, message and hint."""
    assert service.rpc(f"{table}_add", {"a": 1}).execute().data == 3
    with pytest.raises(APIError) as raised:
        service.rpc(f"{table}_refuse").execute()
    assert (raised.value.code, raised.value.message, raised.value.hint) == ("P0001", "not today", "tomorrow")
    with pytest.raises(APIError) as unknown:
        service.table("no_such_table").select("*").execute()
    assert unknown.value.code == "PGRST205"


def test_a_user_sees_his_own_rows_only(shared_stack: RunningStack, table: str) -> None:
    """RLS knows who asks; a stranger without a token is refused."""
    owner, other = client_of(shared_stack), client_of(shared_stack)
    for client in (owner, other):
        user = shared_stack.create_user()
        client.auth.sign_in_with_password({"email": user.email, "password": user.password})
    owner.table(table).insert({"id": 1, "label": "mine"}).execute()
    assert len(owner.table(table).select("*").execute().data) == 1
    assert other.table(table).select("*").execute().data == []
    with pytest.raises(APIError) as anonymous:
        client_of(shared_stack).table(table).select("*").execute()
    assert anonymous.value.code == "42501"


def test_sessions(shared_stack: RunningStack) -> None:
    """Sign-up, sign-in, refresh, update and sign-out work as with Supabase Auth."""
    client = client_of(shared_stack)
    email, password = f"{random.token_hex(6)}@example.com", random.token_urlsafe(16)
    made = client.auth.sign_up({"email": email, "password": password, "options": {"data": {"name": "Jay"}}})
    assert made.user is not None
    assert made.user.user_metadata["name"] == "Jay"
    assert refused(lambda: client.auth.sign_in_with_password({"email": email, "password": "no"})).code == (
        "invalid_credentials"
    )
    before = client.auth.sign_in_with_password({"email": email, "password": password}).session
    after = client.auth.refresh_session().session
    assert before is not None
    assert after is not None
    assert before.refresh_token != after.refresh_token
    updated = client.auth.update_user({"data": {"theme": "dark"}})
    assert updated.user.user_metadata["theme"] == "dark"
    client.auth.sign_out()
    assert client.auth.get_session() is None


def test_second_factor(shared_stack: RunningStack) -> None:
    """TOTP lifts the session to aal2; without it the password cannot be changed."""
    client, user = client_of(shared_stack), shared_stack.create_user()
    login = {"email": user.email, "password": user.password}
    client.auth.sign_in_with_password(login)  # type: ignore[arg-type]
    factor = client.auth.mfa.enroll({"factor_type": "totp", "friendly_name": "phone"})
    assert factor.totp is not None
    code = pyotp.TOTP(factor.totp.secret).now()
    client.auth.mfa.challenge_and_verify({"factor_id": factor.id, "code": code})
    level = client.auth.mfa.get_authenticator_assurance_level()
    assert (level.current_level, level.next_level) == ("aal2", "aal2")
    low = client_of(shared_stack)
    low.auth.sign_in_with_password(login)  # type: ignore[arg-type]
    assert (
        refused(lambda: low.auth.update_user({"password": random.token_urlsafe(16)})).code
        == "insufficient_aal"
    )
    client.auth.mfa.unenroll({"factor_id": factor.id})
    client.auth.refresh_session()
    assert client.auth.mfa.get_authenticator_assurance_level().current_level == "aal1"


def test_administration(shared_stack: RunningStack, service: Client) -> None:
    """The secret key makes, lists, changes and deletes users; a user's key does not."""
    user = shared_stack.create_user(app_metadata={"role": "admin"})
    found = service.auth.admin.get_user_by_id(user.id).user
    assert found.app_metadata["role"] == "admin"
    assert user.id in [listed.id for listed in service.auth.admin.list_users(per_page=1000)]
    changed = service.auth.admin.update_user_by_id(user.id, {"user_metadata": {"a": 1}}).user
    assert changed.user_metadata["a"] == 1
    service.auth.admin.delete_user(user.id)
    assert refused(lambda: service.auth.admin.get_user_by_id(user.id)).code == "user_not_found"
    assert refused(lambda: client_of(shared_stack).auth.admin.list_users()).code == "not_admin"


async def test_async_client(shared_stack: RunningStack, table: str) -> None:
    """The async client signs in, writes, reads, calls and refreshes."""
    user = shared_stack.create_user()
    client = await acreate_client(shared_stack.api_url, shared_stack.publishable_key)
    await client.auth.sign_in_with_password({"email": user.email, "password": user.password})
    await client.table(table).insert({"id": 1, "label": "mine"}).execute()
    found = await client.table(table).select("label,owner").execute()
    assert found.data == [{"label": "mine", "owner": user.id}]
    assert (await client.rpc(f"{table}_add", {"a": 2, "b": 3}).execute()).data == 5
    assert (await client.auth.refresh_session()).session is not None
    await client.auth.sign_out()


@asynccontextmanager
async def signed_in(stack: RunningStack, user: User) -> AsyncIterator[AsyncClient]:
    """An async client whose sockets carry the user's token."""
    client = await acreate_client(stack.api_url, stack.publishable_key)
    await client.auth.sign_in_with_password({"email": user.email, "password": user.password})
    await client.realtime.set_auth(client_token(await client.auth.get_session()))
    yield client
    await client.remove_all_channels()
    await client.realtime.close()


def client_token(session: Any) -> str:
    """The access token of a session that exists."""
    assert session is not None
    token: str = session.access_token
    return token


async def join(client: AsyncClient, topic: str) -> tuple[str, asyncio.Queue[dict[str, Any]]]:
    """Join a private channel; its state and the broadcasts it will receive."""
    received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    state: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    private: Any = {"config": {"private": True}}
    channel = client.channel(topic, private)
    channel.on_broadcast("created", lambda message: received.put_nowait(dict(message)))

    def changed(new: Any, _error: Any) -> None:
        if not state.done():
            state.set_result(str(new.value))

    await channel.subscribe(changed)
    return await asyncio.wait_for(state, 60), received


async def test_private_broadcast(shared_stack: RunningStack) -> None:
    """What the database sends to a user's topic reaches him and nobody else."""
    name = f"room_{random.token_hex(4)}"
    shared_stack.database.sql(SEEN_BY_ITS_USER.format(name=name), role="postgres")
    user, other = shared_stack.create_user(), shared_stack.create_user()
    topic = f"{name}:{user.id}"
    async with signed_in(shared_stack, user) as mine, signed_in(shared_stack, other) as theirs:
        state, received = await join(mine, topic)
        assert state == "SUBSCRIBED"
        assert (await join(theirs, topic))[0] == "CHANNEL_ERROR"
        send = f"select realtime.send('{{\"qty\": \"1.50\"}}', 'created', '{topic}')"
        shared_stack.database.sql(send, role="postgres")
        message = await asyncio.wait_for(received.get(), 60)
    assert message["event"] == "created"
    assert message["payload"]["qty"] == "1.50"
