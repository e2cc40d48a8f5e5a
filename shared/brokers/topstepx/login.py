"""How ProjectX lets a login in: user name and API key for a token of a day, which renews itself before it ends."""

from __future__ import annotations

from collections.abc import Mapping

from shared.brokers.errors import LoggedOut
from shared.brokers.rest import Ask, exchange, payload
from shared.brokers.session import Login, Session
from shared.brokers.topstepx import rows
from shared.brokers.topstepx.envelope import opened
from shared.brokers.transport import Http


class KeyDoor:
    """Implements `Door` for one login."""

    def __init__(self, http: Http, login: Login, timeout_s: float) -> None:
        self._http, self._login, self._timeout_s = http, login, timeout_s

    async def log_in(self) -> Session:
        body = {"userName": self._login.user, "apiKey": self._login.secret}
        return rows.session(await self._ask("login", "loginKey", body, {}), "token")

    async def refresh(self, session: Session) -> Session:
        """Only a token that is still good is renewed; where no new one is named the old one goes on."""
        headers = {"Authorization": f"Bearer {session.access}"}
        answer = await self._ask("validate", "validate", None, headers)
        if answer.get("newToken") is None:
            raise LoggedOut(401, "no new token")
        return rows.session(answer, "newToken")

    def check(self, session: Session) -> Session:
        """A token does not say whose it is: the accounts it shows are what is asserted, by `TopstepX`."""
        return session

    async def _ask(
        self, endpoint: str, route: str, body: Mapping[str, str] | None, headers: Mapping[str, str]
    ) -> Mapping[str, object]:
        ask = Ask("POST", f"/api/Auth/{route}", body=body)
        return opened(endpoint, payload(await exchange(self._http, ask, headers, self._timeout_s)))
