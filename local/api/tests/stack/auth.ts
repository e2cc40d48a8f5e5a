/** Users, sessions, second factors and the admin API through supabase-js. */
import assert from "node:assert/strict";
import { decodeJwt } from "jose";
import { Secret, TOTP } from "otpauth";
import { admin, API, asSuperuser, type Client, client, person, PUBLISHABLE, raw } from "./support.ts";

async function signedUp(): Promise<{ user: Client; email: string; password: string; id: string }> {
  const { email, password } = person();
  const user = client();
  const { data, error } = await user.auth.signUp({ email, password, options: { data: { name: "Jay" } } });
  assert.equal(error, null);
  return { user, email, password, id: data.user!.id };
}

async function claimsOf(user: Client): Promise<Record<string, unknown>> {
  return decodeJwt((await user.auth.getSession()).data.session!.access_token);
}

function authenticator(secret: string): TOTP {
  return new TOTP({ secret: Secret.fromBase32(secret) });
}

/** The next code: each time step is accepted once, one step ahead is allowed. */
function code(totp: TOTP, steps = 0): string {
  return totp.generate({ timestamp: Date.now() + steps * 30_000 });
}

async function withFactor() {
  const person = await signedUp();
  const { data, error } = await person.user.auth.mfa.enroll({ factorType: "totp", friendlyName: "phone" });
  assert.equal(error, null);
  const totp = authenticator(data!.totp.secret);
  const used = code(totp);
  const verified = await person.user.auth.mfa.challengeAndVerify({ factorId: data!.id, code: used });
  assert.equal(verified.error, null);
  return { ...person, totp, used, factorId: data!.id };
}

Deno.test("a new user's token has the claims of Supabase Auth", async () => {
  const { user, id, email } = await signedUp();
  const claims = await claimsOf(user);
  assert.equal(claims.sub, id);
  assert.equal(claims.email, email);
  assert.equal(claims.iss, `${API}/auth/v1`);
  assert.deepEqual([claims.aud, claims.role, claims.aal, claims.phone], [
    "authenticated",
    "authenticated",
    "aal1",
    "",
  ]);
  assert.equal(claims.is_anonymous, false);
  assert.match(String(claims.session_id), /^[0-9a-f-]{36}$/);
  assert.equal((claims.amr as { method: string; timestamp: number }[])[0].method, "password");
  assert.equal((claims.user_metadata as { name: string }).name, "Jay");
  assert.deepEqual(claims.app_metadata, { provider: "email", providers: ["email"] });
  assert.ok(Number(claims.exp) - Number(claims.iat) <= 900);
});

Deno.test("signing in, wrong passwords and addresses that are taken", async () => {
  const { email, password, id } = await signedUp();
  const again = client();
  assert.equal((await again.auth.signInWithPassword({ email, password })).data.user!.id, id);
  assert.equal(
    (await again.auth.signInWithPassword({ email, password: "wrong" })).error!.code,
    "invalid_credentials",
  );
  assert.equal((await again.auth.signUp({ email, password })).error!.code, "user_already_exists");
  assert.equal((await again.auth.signUp({ ...person(), password: "x" })).error!.code, "weak_password");
});

Deno.test("a refresh keeps the session, a used refresh token ends it", async () => {
  const { user } = await signedUp();
  const first = (await user.auth.getSession()).data.session!;
  const refreshed = await user.auth.refreshSession();
  assert.equal(refreshed.error, null);
  const second = refreshed.data.session!;
  assert.notEqual(second.refresh_token, first.refresh_token);
  assert.equal(decodeJwt(second.access_token).session_id, decodeJwt(first.access_token).session_id);
  const repeated = await client().auth.refreshSession({ refresh_token: first.refresh_token });
  assert.equal(
    repeated.data.session!.refresh_token,
    second.refresh_token,
    "an answer that was lost is given again",
  );
  const third = (await user.auth.refreshSession()).data.session!;
  const age =
    `update auth.refresh_tokens set updated_at = now() - interval '1 minute' where token = '${first.refresh_token}'`;
  await asSuperuser((sql) => sql.unsafe(age));
  const stolen = await client().auth.refreshSession({ refresh_token: first.refresh_token });
  assert.equal(stolen.error!.code, "refresh_token_already_used");
  assert.equal(
    (await client().auth.refreshSession({ refresh_token: third.refresh_token })).error!.status,
    400,
  );
});

Deno.test("signing out ends this session, the others or all", async () => {
  const { user, email, password } = await signedUp();
  const login = async () => {
    const session = client();
    await session.auth.signInWithPassword({ email, password });
    return session;
  };
  const alive = async (session: Client) => {
    const { data: { session: kept } } = await session.auth.getSession();
    return (await raw("GET", "/auth/v1/user", undefined, {
      apikey: PUBLISHABLE,
      authorization: `Bearer ${kept!.access_token}`,
    })).status === 200;
  };
  const [second, third] = [await login(), await login()];
  const token = (await second.auth.getSession()).data.session!.access_token;
  await second.auth.signOut({ scope: "local" });
  const gone = await raw("GET", "/auth/v1/user", undefined, {
    apikey: PUBLISHABLE,
    authorization: `Bearer ${token}`,
  });
  assert.deepEqual([gone.status, JSON.parse(gone.text).error_code], [403, "session_not_found"]);
  assert.deepEqual([await alive(user), await alive(third)], [true, true]);
  await user.auth.signOut({ scope: "others" });
  assert.deepEqual([await alive(user), await alive(third)], [true, false]);
  const fourth = await login();
  await admin().auth.admin.signOut((await fourth.auth.getSession()).data.session!.access_token, "global");
  assert.deepEqual([await alive(user), await alive(fourth)], [false, false]);
});

Deno.test("a user changes his metadata and his password; a new password ends his other sessions", async () => {
  const { user, email, password } = await signedUp();
  assert.equal(
    (await user.auth.updateUser({ data: { theme: "dark" } })).data.user!.user_metadata.theme,
    "dark",
  );
  const other = client();
  await other.auth.signInWithPassword({ email, password });
  const changed = crypto.randomUUID();
  assert.equal((await user.auth.updateUser({ password: changed })).error, null);
  assert.equal(
    (await client().auth.signInWithPassword({ email, password })).error!.code,
    "invalid_credentials",
  );
  assert.equal((await client().auth.signInWithPassword({ email, password: changed })).error, null);
  assert.notEqual((await other.auth.refreshSession()).error, null);
});

Deno.test("a second factor raises the session to aal2, which a refresh keeps", async () => {
  const { user } = await withFactor();
  const level = (await user.auth.mfa.getAuthenticatorAssuranceLevel()).data!;
  assert.deepEqual([level.currentLevel, level.nextLevel], ["aal2", "aal2"]);
  await user.auth.refreshSession();
  const claims = await claimsOf(user);
  assert.equal(claims.aal, "aal2");
  assert.deepEqual((claims.amr as { method: string }[]).map(({ method }) => method).sort(), [
    "password",
    "totp",
  ]);
  const listed = await user.auth.mfa.listFactors();
  assert.deepEqual(listed.data!.totp.map((factor) => factor.status), ["verified"]);
  assert.ok(!JSON.stringify(listed.data).includes("secret"));
});

Deno.test("a code works once, a wrong one not at all, and guessing is stopped", async () => {
  const { user, used, factorId } = await withFactor();
  const replayed = await user.auth.mfa.challengeAndVerify({ factorId, code: used });
  assert.equal(replayed.error!.code, "mfa_verification_failed");
  const { data: challenge } = await user.auth.mfa.challenge({ factorId });
  const guess = () => user.auth.mfa.verify({ factorId, challengeId: challenge!.id, code: "000000" });
  for (let i = 0; i < 5; i++) assert.equal((await guess()).error!.code, "mfa_verification_failed");
  assert.equal((await guess()).error!.code, "mfa_challenge_expired");
  let outcome = "";
  for (let i = 0; i < 12; i++) {
    outcome = (await user.auth.mfa.challengeAndVerify({ factorId, code: "000000" })).error!.code!;
  }
  assert.equal(outcome, "over_request_rate_limit");
});

Deno.test("below aal2 a factor guards password, address, enrolment and itself", async () => {
  const { user, email, password, totp, factorId } = await withFactor();
  const low = client();
  await low.auth.signInWithPassword({ email, password });
  const level = (await low.auth.mfa.getAuthenticatorAssuranceLevel()).data!;
  assert.deepEqual([level.currentLevel, level.nextLevel], ["aal1", "aal2"]);
  assert.equal(
    (await low.auth.updateUser({ password: crypto.randomUUID() })).error!.code,
    "insufficient_aal",
  );
  assert.equal((await low.auth.mfa.unenroll({ factorId })).error!.code, "insufficient_aal");
  assert.equal((await low.auth.mfa.enroll({ factorType: "totp" })).error!.code, "insufficient_aal");
  const proved = await low.auth.mfa.challengeAndVerify({ factorId, code: code(totp, 1) });
  assert.equal(proved.error, null);
  assert.equal((await user.auth.mfa.unenroll({ factorId })).error, null);
  await user.auth.refreshSession();
  assert.equal((await claimsOf(user)).aal, "aal1");
});

Deno.test("another user's factor does not exist", async () => {
  const { factorId } = await withFactor();
  const { user } = await signedUp();
  assert.equal((await user.auth.mfa.challenge({ factorId })).error!.code, "mfa_factor_not_found");
});

Deno.test("administrators make, list, change, ban and delete users", async () => {
  const service = admin().auth.admin;
  const { email, password } = person();
  const made = await service.createUser({
    email,
    password,
    email_confirm: true,
    app_metadata: { team: "desk" },
  });
  assert.equal(made.error, null);
  const id = made.data.user!.id;
  assert.equal((await service.createUser({ email, password })).error!.code, "email_exists");
  const user = client();
  assert.equal((await user.auth.signInWithPassword({ email, password })).error, null);
  assert.equal(((await claimsOf(user)).app_metadata as { team: string }).team, "desk");
  const listed = await service.listUsers({ page: 1, perPage: 1000 });
  assert.ok(listed.data.users.some((found) => found.id === id));
  const changed = await service.updateUserById(id, { user_metadata: { a: 1 }, app_metadata: { team: null } });
  assert.deepEqual([changed.data.user!.user_metadata.a, changed.data.user!.app_metadata.team], [
    1,
    undefined,
  ]);
  await service.updateUserById(id, { ban_duration: "1h" });
  assert.equal((await client().auth.signInWithPassword({ email, password })).error!.code, "user_banned");
  assert.notEqual((await user.auth.refreshSession()).error, null);
  await service.updateUserById(id, { ban_duration: "none" });
  assert.equal((await client().auth.signInWithPassword({ email, password })).error, null);
  assert.equal((await service.deleteUser(id)).error, null);
  assert.equal((await service.getUserById(id)).error!.code, "user_not_found");
});

Deno.test("administrators see and remove a user's factors", async () => {
  const { id, factorId } = await withFactor();
  const { data } = await admin().auth.admin.mfa.listFactors({ userId: id });
  assert.deepEqual(data!.factors.map((factor) => factor.id), [factorId]);
  assert.equal((await admin().auth.admin.mfa.deleteFactor({ userId: id, id: factorId })).error, null);
  assert.deepEqual((await admin().auth.admin.mfa.listFactors({ userId: id })).data!.factors, []);
});

Deno.test("nobody else is an administrator", async () => {
  const { user } = await signedUp();
  assert.equal((await user.auth.admin.listUsers()).error!.code, "not_admin");
  assert.equal((await client().auth.admin.listUsers()).error!.code, "not_admin");
  assert.equal((await raw("GET", "/auth/v1/admin/users", undefined, { apikey: "" })).status, 401);
});

Deno.test("a login does not hold up other requests", async () => {
  const { email, password } = await signedUp();
  const logins = Array.from({ length: 4 }, () => client().auth.signInWithPassword({ email, password }));
  const started = performance.now();
  for (let i = 0; i < 5; i++) await raw("GET", "/rest/v1/no_such_table");
  const served = performance.now() - started;
  const all = performance.now();
  await Promise.all(logins);
  assert.ok(served < all - started + 1 || served < 200);
  assert.ok((await Promise.all(logins)).every(({ error }) => error === null));
});

Deno.test("the auth tables are closed to clients, secrets and tokens included", async () => {
  const open = await asSuperuser((sql) =>
    sql`select r.rolname || ' ' || c.relname as grant from pg_class c cross join pg_roles r
        where c.relnamespace = 'auth'::regnamespace and c.relkind = 'r'
          and r.rolname in ('anon', 'authenticated', 'service_role', 'authenticator')
          and has_table_privilege(r.oid, c.oid, 'select,insert,update,delete,truncate,references,trigger')`
  );
  assert.deepEqual([...open], []);
});
