"""How TradeLocker lets a login in: e-mail, password and server for two tokens, the longer one renews both."""

from __future__ import annotations

from shared.brokers.errors import LoggedOut, Silent
from shared.brokers.rest import Ask, exchange, payload
from shared.brokers.session import Login, Session
from shared.brokers.tradelocker import parse
from shared.brokers.tradelocker.http import PREFIX
from shared.brokers.transport import Http


class JwtDoor:
    """Implements `Door` for one login."""

    def __init__(self, http: Http, login: Login, timeout_s: float) -> None:
        self._http, self._login, self._timeout_s = http, login, timeout_s

    async def log_in(self) -> Session:
        login = self._login
        body = {"email": login.user, "password": login.secret, "server": login.server}
        return parse.session(await self._ask("token", body))

    async def refresh(self, session: Session) -> Session:
        return parse.session(await self._ask("refresh", {"refreshToken": session.refresh}))

    def check(self, session: Session) -> Session:
        """The server that the token names must be the one the credential names: never another account."""
        server = parse.claims(session.access).server
        if server is not None and server.casefold() != self._login.server.casefold():
            raise LoggedOut(401, f"logged in at server {server}, not {self._login.server}")
        return session

    def key_header(self) -> dict[str, str]:
        """The developer key, where we have one."""
        key = self._login.developer_key
        return {"developer-api-key": key} if key else {}

    async def _ask(self, route: str, body: dict[str, str]) -> object:
        ask = Ask("POST", f"/auth/jwt/{route}", body=body)
        answer = payload(await exchange(self._http, ask, self.key_header(), self._timeout_s, PREFIX))
        if answer is None:
            raise Silent("an empty answer to a login")
        return answer
