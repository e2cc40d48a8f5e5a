"""The words for what was refused at the door."""

from collections.abc import Mapping

from shared.models.reasons import Reason
from shared.risk.wording.words import Words

WORDS: Mapping[Reason, Words] = {
    Reason.INVALID: Words(
        (
            "{field} is {value}; it must be below {below}.",
            "The field {field} with the value {value} makes no sense here.",
            "The alert cannot be understood.",
        ),
        "See the list of fields in the guide to alerts.",
    ),
    Reason.BROKER_MISMATCH: Words(
        ("The alert names another broker than its endpoint.",), "Correct broker, or leave it out."
    ),
    Reason.ID_REUSED: Words(
        ("This id was already used for another alert.",), "Give every alert an id of its own."
    ),
    Reason.ADDRESS_NOT_ALLOWED: Words(
        ("The alert came from an address that is not on the endpoint's list.",),
        "Add the address if it is yours; change the token if it is not.",
    ),
    Reason.ADDRESS_UNKNOWN: Words(
        ("The sender's address could not be determined, and the endpoint has an address list.",),
        "Check the proxy settings of the deployment.",
    ),
    Reason.SIGNATURE_INVALID: Words(
        ("The signature does not fit the alert.",), "Sign the raw body with the endpoint's secret."
    ),
    Reason.RATE_LIMITED: Words(
        ("More alerts came than are allowed; wait {retry_after} s.", "More alerts came than are allowed."),
        "Send fewer alerts.",
    ),
}
