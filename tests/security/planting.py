"""Looking for words in everything that outlives a request: rows, dumps, logs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.support.clusters import Database

# Every column of every table there is, partitions and catalogs (statistics hold samples of values) included.
_COLUMNS = """
select format('%I.%I', n.nspname, c.relname), format('%I', a.attname), a.atttypid = 'bytea'::regtype
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relkind in ('r', 'm') and n.nspname not like 'pg_toast%' and n.nspname not like 'pg_temp%'
order by 1, a.attnum
"""


def columns_with(database: Database, words: Mapping[str, str]) -> set[str]:
    """`schema.table.column: name` for every column that holds one of the words in any row."""
    pattern = "|".join(re.escape(word).replace("'", "''") for word in words.values())
    asked = []
    for line in database.sql(_COLUMNS).splitlines():
        table, column, is_bytes = line.split("|")
        text = f"encode({column}, 'escape')" if is_bytes == "t" else f"{column}::text"
        asked.append(
            f"select '{table}.{column}: ' || m[1] from (select distinct regexp_matches({text}, '({pattern})', 'g') m"
            f" from {table}) found"
        )
    told = database.sql(" union all ".join(asked)).splitlines()
    names = {word: name for name, word in words.items()}
    return {line[: -len(word)] + names[word] for line in told for word in names if line.endswith(word)}


def dump_with(database: Database, words: Mapping[str, str]) -> set[str]:
    """The names of the words that a pg_dump of the whole database holds, settings of roles included."""
    cluster = database.home.cluster
    text = cluster.dump(database.name) + cluster.dump_roles()
    return {name for name, word in words.items() if word in text}


def files_with(files: Iterable[Path], words: Mapping[str, str]) -> set[str]:
    """`file: name` for every log that holds one of the words."""
    found = ((file, file.read_text(errors="replace")) for file in files)
    return {f"{file.name}: {name}" for file, text in found for name, word in words.items() if word in text}
