"""The room put together: the pump, the post, and a door for each kind of target."""

from __future__ import annotations

from shared.models.enums import NotificationKind
from shared.relay_settings import RelaySettings
from shared.store.relay import RelayStore
from workers.credentials import KeyFile
from workers.relay.doors.discord import Discord
from workers.relay.doors.mail import Mail
from workers.relay.doors.port import Door
from workers.relay.doors.slack import Slack
from workers.relay.doors.telegram import Telegram
from workers.relay.doors.webhook import Webhook
from workers.relay.guard import Guard
from workers.relay.pump import Pump
from workers.relay.sending import Post
from workers.relay.sinks import Traders


def doors(settings: RelaySettings, guard: Guard | None = None) -> dict[NotificationKind, Door]:
    """A door for each kind. `guard`: where webhooks may lead; default: by the settings."""
    timeout_s = settings.notify_timeout_ms / 1000
    return {
        NotificationKind.EMAIL: Mail(settings, timeout_s),
        NotificationKind.TELEGRAM: Telegram(settings.service("telegram"), timeout_s),
        NotificationKind.DISCORD: Discord(settings.service("discord"), timeout_s),
        NotificationKind.SLACK: Slack(settings.service("slack"), timeout_s),
        NotificationKind.WEBHOOK: Webhook(guard or Guard(settings.notify_allow_cidrs), timeout_s),
    }


def pump(store: RelayStore, settings: RelaySettings, worker: str) -> Pump:
    """The outbox's way to the traders. Other sinks (events for the outside) are added here."""
    return Pump(store, [Traders(store)], worker, settings.relay_batch, settings.notify_lease_ms)


def post(store: RelayStore, settings: RelaySettings, worker: str, guard: Guard | None = None) -> Post:
    """The way from a waiting message to its target."""
    return Post(
        store,
        doors(settings, guard),
        KeyFile(settings.fleet_keys_file),
        worker,
        settings.notify_lease_ms,
        settings.notify_timeout_ms / 1000,
        settings.notify_first_retry_ms / 1000,
    )
