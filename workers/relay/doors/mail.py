"""E-mail through the operator's SMTP server."""

from __future__ import annotations

from collections.abc import Mapping
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid

import aiosmtplib

from shared.relay_settings import RelaySettings
from workers.relay.doors.port import Letter
from workers.relay.http import Unreachable
from workers.relay.outcome import Dead, Later, Outcome, Sent


class Mail:
    """One message, one connection: messages are few, and a kept connection would be closed by the server."""

    def __init__(self, settings: RelaySettings, timeout_s: float) -> None:
        self._settings, self._timeout_s = settings, timeout_s

    async def send(self, address: Mapping[str, str], letter: Letter) -> Outcome:
        """A 5xx of the server is final, anything else is tried again."""
        settings = self._settings
        if settings.smtp_host is None:
            return Dead("This installation sends no e-mail: its operator has set no mail server.")
        password = settings.smtp_password
        try:
            await aiosmtplib.send(
                self._composed(address["address"], letter),
                hostname=settings.smtp_host,
                port=settings.smtp_port,
                username=settings.smtp_user,
                password=None if password is None else password.get_secret_value(),
                use_tls=settings.smtp_security == "tls",
                start_tls=settings.smtp_security == "starttls",
                timeout=self._timeout_s,
            )
        except aiosmtplib.SMTPAuthenticationError:
            return Later("The mail server does not accept this installation's login: its operator must look.")
        except aiosmtplib.SMTPRecipientsRefused as refused:
            return _refused(min(each.code for each in refused.recipients))
        except aiosmtplib.SMTPResponseException as error:
            return _refused(error.code)
        except (aiosmtplib.SMTPException, OSError) as error:
            raise Unreachable(f"The mail server could not be reached ({type(error).__name__}).") from None
        return Sent()

    def _composed(self, to: str, letter: Letter) -> EmailMessage:
        mail = EmailMessage()
        mail["From"] = self._settings.mail_from or ""
        mail["To"] = to
        # A header is one line; the library refuses more.
        mail["Subject"] = " ".join(letter.title.split())[:150]
        mail["Date"] = format_datetime(letter.at)
        mail["Message-ID"] = make_msgid(idstring=letter.key, domain="notifications.empire")
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(letter.text)
        return mail


def _refused(code: int) -> Outcome:
    told = f"The mail server answered {code}."
    return Dead(told) if 500 <= code < 600 else Later(told)
