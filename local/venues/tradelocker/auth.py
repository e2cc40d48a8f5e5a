"""Logging in: tokens by password, by refresh token, and which accounts a user has."""

from __future__ import annotations

from aiohttp import web

from local.venues.admin import answer
from local.venues.tradelocker.answers import failed, unauthorized, with_status
from local.venues.tradelocker.desk import Desk
from local.venues.tradelocker.tokens import Tokens
from shared import codec

SERVER = "SIM"
MIN_PASSWORD = 8


class Auth:
    """Knows who is asking. Any user with a password of 8 characters and more is let in."""

    def __init__(self, desk: Desk, tokens: Tokens) -> None:
        self._desk, self._tokens = desk, tokens

    async def login(self, request: web.Request) -> web.Response:
        body = codec.decode(await request.read())
        user, password = str(body.get("email", "")), str(body.get("password", ""))
        if body.get("server") != SERVER or len(password) < MIN_PASSWORD or not user or user != user.strip():
            return failed(400, "Invalid credentials")
        self._desk.accounts_of(user)
        return with_status(201, self._tokens.issue(SERVER, user))

    async def refresh(self, request: web.Request) -> web.Response:
        token = str(codec.decode(await request.read()).get("refreshToken", ""))
        user = self._tokens.user_of(token, "refresh_token")
        if user is None:
            return failed(400, "Invalid refresh token")
        self._tokens.spend(token)
        return with_status(201, self._tokens.issue(SERVER, user))

    async def all_accounts(self, request: web.Request) -> web.Response:
        user = self.user_of(request)
        if user is None:
            return unauthorized()
        rows = [
            {
                "id": each.id,
                "name": each.name,
                "currency": each.book.currency,
                "status": "ACTIVE",
                "accNum": each.acc_num,
                "accountBalance": f"{each.book.balance:.2f}",
            }
            for each in self._desk.accounts_of(user)
        ]
        return answer({"accounts": rows})

    async def revoke(self, _: web.Request) -> web.Response:
        """The operator ends every session: what happens when a user logs in somewhere else."""
        for account in self._desk.accounts.values():
            self._tokens.revoke(account.user)
        return answer({"ok": True})

    def user_of(self, request: web.Request) -> str | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return self._tokens.user_of(token, "access_token") if scheme == "Bearer" else None
