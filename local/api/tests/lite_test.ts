/** What rest/lite.ts overrides must exist under its name: these fail when @supabase/lite changes. */
import assert from "node:assert/strict";
import { createPostgresConnection } from "@supabase/lite/postgres";
import { contextStatement } from "../rest/lite.ts";
import { normalizeError, statusOf } from "../rest/errors.ts";
import manifest from "../deno.json" with { type: "json" };

Deno.test("lite, the driver and the query builder are pinned exactly", () => {
  for (const name of ["@supabase/lite", "@supabase/lite/postgres", "postgres", "kysely"] as const) {
    assert.match(manifest.imports[name], /@\d+\.\d+\.\d+(\/|$)/);
  }
  assert.equal(manifest.imports["@supabase/lite"], "npm:@supabase/lite@0.10.0");
});

Deno.test("lite's connection still has the members that are overridden", () => {
  const connection = createPostgresConnection({ url: "postgres://u@127.0.0.1:1/d" }) as unknown as Record<
    string,
    unknown
  >;
  assert.equal(connection.rlsState, "unknown");
  for (
    const name of ["ensureRlsContext", "withContext", "introspect", "clearSchemaCache", "normalizeDbError"]
  ) {
    assert.equal(typeof connection[name], "function", name);
  }
});

Deno.test("the context is one statement that ends with the role and quotes what it is given", () => {
  const statement = contextStatement({
    auth: { role: "authenticated", jwt: { sub: "o'x", role: "authenticated" } },
  });
  assert.match(statement, /^select set_config\('request\.jwt\.claims', '\{"sub":"o''x"/);
  assert.match(statement, /set_config\('role', 'authenticated', true\)$/);
  assert.match(contextStatement(undefined), /set_config\('role', 'anon', true\)$/);
});

Deno.test("SQLSTATEs have PostgREST's HTTP status", () => {
  const expected = {
    "23505": 409,
    "23503": 409,
    "23514": 400,
    P0001: 400,
    P0002: 500,
    "40001": 500,
    "42P01": 404,
  };
  for (const [code, status] of Object.entries({ ...expected, "57014": 500, "08006": 503, "22P02": 400 })) {
    assert.equal(statusOf(code), status, code);
  }
});

Deno.test("a database error keeps message, details and hint", () => {
  const raised = normalizeError({ code: "P0001", message: "no", detail: "why", hint: "how" }) as {
    code: string;
    message: string;
    detail: string;
  };
  assert.equal(raised.code, "PGRST");
  assert.deepEqual(JSON.parse(raised.message), { code: "P0001", message: "no", details: "why", hint: "how" });
  assert.equal(JSON.parse(raised.detail).status, 400);
});
