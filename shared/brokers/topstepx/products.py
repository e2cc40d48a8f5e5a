"""The gateway's names of contracts: `CON.F.US.<product>.<month><yy>`, and which product a chart's root is. Pure."""

from __future__ import annotations

import re

from shared.brokers import futures
from shared.brokers.futures import CODES, Month

PRODUCTS = {
    # equity indices
    "ES": "EP",
    "MES": "MES",
    "NQ": "ENQ",
    "MNQ": "MNQ",
    "RTY": "RTY",
    "M2K": "M2K",
    "YM": "YM",
    "MYM": "MYM",
    "NKD": "NKD",
    # metals
    "GC": "GCE",
    "MGC": "MGC",
    "SI": "SIE",
    "SIL": "SIL",
    "HG": "CPE",
    "MHG": "MHG",
    "PL": "PLE",
    # energy
    "CL": "CLE",
    "MCL": "MCLE",
    "QM": "NQM",
    "NG": "NGE",
    "QG": "NQG",
    "HO": "HOE",
    "RB": "RBE",
    # currencies and coins
    "6A": "DA6",
    "6B": "BP6",
    "6C": "CA6",
    "6E": "EU6",
    "6J": "JY6",
    "6M": "MX6",
    "6N": "NE6",
    "6S": "SF6",
    "M6A": "M6A",
    "M6B": "M6B",
    "M6E": "M6E",
    "E7": "EEU",
    "MBT": "MBT",
    "MET": "GMET",
    # rates
    "ZB": "USA",
    "ZN": "TYA",
    "ZF": "FVA",
    "ZT": "TUA",
    "TN": "TNA",
    "UB": "ULA",
    # grains, livestock
    "ZC": "ZCE",
    "ZS": "ZSE",
    "ZW": "ZWA",
    "ZL": "ZLE",
    "ZM": "ZME",
    "LE": "GLE",
    "HE": "HE",
}
"""Root -> product. Never guessed: ES is EP, and a search for ES finds anything with these letters. MNG is left out:
two sources name it differently."""
ROOTS = {product: root for root, product in PRODUCTS.items()}
_CONTRACT = re.compile(rf"^CON\.F\.US\.([A-Z0-9]+)\.([{CODES}])(\d\d)$")


def symbol_id(root: str) -> str | None:
    """`F.US.ENQ` for NQ; None for a root we do not know."""
    product = PRODUCTS.get(root)
    return None if product is None else f"F.US.{product}"


def contract_id(root: str, month: Month) -> str | None:
    """The id of one month of a root; None for a root we do not know."""
    product = PRODUCTS.get(root)
    return None if product is None else f"CON.F.US.{product}.{month.code}{month.year % 100:02}"


def named(word: str, year: int) -> str:
    """The id of what a leg is of, which is an id or our own dated symbol (a position of our books has only that).

    `year` is the present one. A word that is neither stays as it is: the gateway will not know it.
    """
    if parts(word) is not None:
        return word
    asked = futures.read(word, PRODUCTS, year)
    found = None if asked is None or asked.month is None else contract_id(asked.root, asked.month)
    return found or word


def parts(contract: str) -> tuple[str, Month] | None:
    """Root and month of an id; None where it is written in another way. An unknown product is its own root."""
    match = _CONTRACT.match(contract)
    if match is None:
        return None
    product, code, year = match.groups()
    return ROOTS.get(product, product), Month(2000 + int(year), CODES.index(code) + 1)
