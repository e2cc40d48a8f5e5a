"""supabase/policies.sql is what the migrations do: a reader may trust it."""

from __future__ import annotations

import re

from local.paths import PROJECT
from tests.support.clusters import Database

FILE = PROJECT / "supabase" / "policies.sql"
_POLICIES = """
    select schemaname, tablename, policyname, permissive, roles, cmd, qual, with_check from pg_policies
    where schemaname in ('public', 'realtime') order by 1, 2, 3"""
_DROP_ALL = """
    do $$ declare p record; begin
      for p in select * from pg_policies where schemaname in ('public', 'realtime') loop
        execute format('drop policy %I on %I.%I', p.policyname, p.schemaname, p.tablename);
      end loop;
    end $$"""


def test_the_file_makes_the_policies_that_the_migrations_make(database: Database) -> None:
    """All policies dropped and made again from the file are the ones of the migrations, word for word."""
    migrated = database.sql(_POLICIES)
    database.sql(_DROP_ALL)
    assert database.sql(_POLICIES) == ""
    database.sql(FILE.read_text(), role="postgres")
    assert database.sql(_POLICIES) == migrated
    assert len(migrated) > 1000


def test_the_file_goes_in_the_order_of_the_tables(database: Database) -> None:
    """Tables come in the order in which they are made; verbs in the order read, add, change, delete."""
    written = re.findall(r"^on ([a-z]+\.[a-z_]+) for (\w+)", FILE.read_text(), re.MULTILINE)
    made = database.sql(
        "select 'public.' || relname from pg_class"
        " where relnamespace = 'public'::regnamespace and relkind = 'r' order by oid"
    ).splitlines()
    order = [*made, "realtime.messages"]
    verbs = ["select", "insert", "update", "delete"]
    assert written == sorted(written, key=lambda each: (order.index(each[0]), verbs.index(each[1])))
    assert {table for table, _ in written} == set(order)


def test_a_policys_name_is_a_sentence(database: Database) -> None:
    """Names begin like a sentence, have a verb, and are not cut off by Postgres."""
    names = re.findall(r'^create policy "([^"]+)"', FILE.read_text(), re.MULTILINE)
    assert len(names) == len(set(names))
    for name in names:
        assert re.match(r"(Traders|Everyone|Nobody|Visitors) (signed in )?[a-z]+ ", name), name
        assert len(name.encode()) <= 63, name
    kept = database.sql("select count(*) from pg_policies where schemaname in ('public', 'realtime')")
    assert int(kept) == len(names)


def test_claims_are_read_once_per_statement(database: Database) -> None:
    """Every call in a policy is a scalar sub-select: evaluated once, not once a row."""
    bare = re.compile(r"(?<!select )(?<!\( SELECT )\b(auth|private)\.[a-z_]+\(\)")
    assert [line for line in FILE.read_text().splitlines() if bare.search(line)] == []


def test_the_advisors_find_nothing(database: Database) -> None:
    """`supabase db advisors --type all --level info` has no finding but indexes not used yet."""
    findings = database.home.cli.advisors(database.url("postgres"))
    assert [each for each in findings if each["name"] != "unused_index"] == []
    assert findings, "an empty database has unused indexes: no finding at all means the advisors did not run"
