"""The gateway and the functions on a database of the test's own, and users to sign in with."""

from __future__ import annotations

import secrets as random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from local import programs
from local.ports import SCRATCH_BASE, reserve
from local.scratch import Service
from tests.support.clusters import Database


@dataclass(frozen=True)
class User:
    """A user who has signed in once; the token has aal1."""

    id: str
    email: str
    password: str
    access_token: str


@dataclass(frozen=True)
class RunningStack:
    """What a client sees of a deployment, and its processes to stop, kill and start."""

    boot: programs.Boot
    database: Database
    gateway: Service
    functions: Service

    @property
    def postgres(self) -> Service:
        """The cluster's server. Stop it only in tests that use `own_stack`: others share it."""
        return self.database.home.postgres

    @property
    def api_url(self) -> str:
        """SUPABASE_URL."""
        return self.boot.api_url

    @property
    def functions_url(self) -> str:
        """The functions' own port, which refuses everybody but the gateway."""
        return self.boot.functions_url

    @property
    def publishable_key(self) -> str:
        """The key of browsers."""
        return self.boot.secrets.publishable_key

    @property
    def secret_key(self) -> str:
        """The key of back ends (service_role)."""
        return self.boot.secrets.secret_key

    def url(self, role: str) -> str:
        """The database's address for a role."""
        return self.database.url(role)

    def create_user(
        self, email: str | None = None, password: str | None = None, **attributes: object
    ) -> User:
        """Make a confirmed user through /auth/v1/admin and sign in. `attributes` go into the admin call."""
        email = email or f"user-{random.token_hex(6)}@example.com"
        password = password or random.token_urlsafe(18)
        body = {"email": email, "password": password, "email_confirm": True, **attributes}
        with httpx.Client(base_url=f"{self.api_url}/auth/v1", timeout=30) as client:
            key = {"apikey": self.secret_key, "authorization": f"Bearer {self.secret_key}"}
            made = client.post("/admin/users", headers=key, json=body).raise_for_status().json()
        return User(made["id"], email, password, self.sign_in(email, password))

    def sign_in(self, email: str, password: str) -> str:
        """A fresh access token."""
        body = {"email": email, "password": password}
        address = f"{self.api_url}/auth/v1/token?grant_type=password"
        answer = httpx.post(address, headers={"apikey": self.publishable_key}, json=body, timeout=30)
        token: str = answer.raise_for_status().json()["access_token"]
        return token


@contextmanager
def running_stack(database: Database) -> Iterator[RunningStack]:
    """Gateway and functions on that database until the block ends."""
    home = database.home
    reservation = reserve(None, first=SCRATCH_BASE)
    boot = programs.Boot(
        home.paths, home.secrets, reservation.ports, home.cluster, random.token_hex(8), database.name
    )
    stack = RunningStack(boot, database, Service(programs.gateway(boot)), Service(programs.functions(boot)))
    try:
        stack.gateway.start()
        stack.functions.start()
        yield stack
    finally:
        stack.functions.stop()
        stack.gateway.stop()
        reservation.release()
