/** /admin: users and their factors, for holders of the secret key. */
import bcrypt from "bcryptjs";
import type postgres from "postgres";
import { json } from "../http.ts";
import { AuthFault } from "./errors.ts";
import { removeFactor } from "./factors.ts";
import { findUser, listFactors, publicUser, type Sql, type UserRow } from "./store.ts";

const BCRYPT_COST = 10;
const BCRYPT_MAX_BYTES = 72;
const MAX_PER_PAGE = 1000;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const DURATION = /^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/;
const UNIT_MS: Record<string, number> = { ns: 1e-6, us: 1e-3, "µs": 1e-3, ms: 1, s: 1e3, m: 6e4, h: 36e5 };

type Body = Record<string, unknown>;

function invalid(message: string): AuthFault {
  return new AuthFault(400, "validation_failed", message);
}

function object(value: unknown): Body {
  return value !== null && typeof value === "object" && !Array.isArray(value) ? value as Body : {};
}

/** When a ban ends: Go durations as upstream (`24h`, `1h30m`), `none` for no ban. */
export function banEnd(duration: unknown): Date | null | undefined {
  if (duration === undefined || duration === null) return undefined;
  if (duration === "none") return null;
  if (typeof duration !== "string" || !DURATION.test(duration)) {
    throw invalid("invalid format for ban duration");
  }
  const ms = [...duration.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)]
    .reduce((sum, [, amount, unit]) => sum + Number(amount) * UNIT_MS[unit], 0);
  return new Date(Date.now() + ms);
}

export class Admin {
  constructor(private readonly sql: postgres.Sql, private readonly minimumPasswordLength: number) {}

  /** Answers /admin/users[/<id>[/factors[/<id>]]]. The caller has been found to be an administrator. */
  async handle(method: string, path: string[], body: Body, url: URL): Promise<Response> {
    const [kind, id, sub, factorId] = path;
    if (kind !== "users") throw new AuthFault(404, "not_found", "Not found");
    if (id === undefined) {
      if (method === "GET") return await this.#list(url);
      if (method === "POST") return await this.#create(body);
      throw new AuthFault(405, "not_found", "Method not allowed");
    }
    const user = UUID.test(id) ? await findUser(this.sql, id) : null;
    if (!user) throw new AuthFault(404, "user_not_found", "User not found");
    if (sub === "factors") return await this.#factors(method, user, factorId);
    if (method === "GET") return json(await publicUser(this.sql, user));
    if (method === "PUT") return await this.#update(user, body);
    if (method === "DELETE") return await this.#delete(user);
    throw new AuthFault(405, "not_found", "Method not allowed");
  }

  async #list(url: URL): Promise<Response> {
    const page = Math.max(1, Number(url.searchParams.get("page")) || 1);
    const size = Math.min(MAX_PER_PAGE, Math.max(1, Number(url.searchParams.get("per_page")) || 50));
    const rows = await this.sql<(UserRow & { total: number })[]>`
      select *, (count(*) over ())::int as total from auth.users where deleted_at is null
      order by created_at desc, id limit ${size} offset ${(page - 1) * size}`;
    const users = await Promise.all(rows.map((row) => publicUser(this.sql, row)));
    const total = rows[0]?.total ?? 0;
    const last = Math.max(1, Math.ceil(total / size));
    const link = [
      page < last ? `<?page=${page + 1}&per_page=${size}>; rel="next"` : "",
      `<?page=${last}>; rel="last"`,
    ];
    return json({ users, aud: "authenticated" }, 200, {
      "x-total-count": String(total),
      "link": link.filter(Boolean).join(", "),
    });
  }

  async #create(body: Body): Promise<Response> {
    const email = emailOf(body.email);
    if (email === null) throw invalid("Cannot create a user without either an email or phone");
    if (body.id !== undefined && !UUID.test(String(body.id))) {
      throw invalid("ID must conform to the uuid v4 format");
    }
    const id = String(body.id ?? crypto.randomUUID());
    const hash = await this.#hash(body);
    const app = { provider: "email", providers: ["email"], ...object(body.app_metadata) };
    const confirmed = body.email_confirm === true;
    const identity = { sub: id, email, email_verified: confirmed, phone_verified: false };
    await this.#unique(async (transaction) => {
      await transaction`
        insert into auth.users (id, aud, role, email, encrypted_password, email_confirmed_at, banned_until,
                                raw_app_meta_data, raw_user_meta_data)
        values (${id}, 'authenticated', ${String(body.role ?? "authenticated")}, ${email}, ${hash},
                ${confirmed ? new Date().toISOString() : null}, ${iso(banEnd(body.ban_duration)) ?? null},
                ${JSON.stringify(app)}::jsonb, ${JSON.stringify(object(body.user_metadata))}::jsonb)`;
      await transaction`
        insert into auth.identities (id, provider, provider_id, user_id, identity_data, last_sign_in_at)
        values (${crypto.randomUUID()}, 'email', ${id}, ${id}, ${JSON.stringify(identity)}::jsonb, now())`;
    });
    return json(await publicUser(this.sql, (await findUser(this.sql, id))!));
  }

  async #update(user: UserRow, body: Body): Promise<Response> {
    const email = emailOf(body.email);
    const hash = await this.#hash(body);
    const ban = iso(banEnd(body.ban_duration));
    await this.#unique(async (transaction) => {
      await transaction`
        update auth.users set
          email = coalesce(${email}, email),
          encrypted_password = coalesce(${hash}, encrypted_password),
          email_confirmed_at = case when ${
        body.email_confirm === true
      } then coalesce(email_confirmed_at, now())
                                    else email_confirmed_at end,
          role = coalesce(${typeof body.role === "string" ? body.role : null}, role),
          banned_until = case when ${ban !== undefined} then ${
        ban ?? null
      }::timestamptz else banned_until end,
          raw_app_meta_data = ${merged(user.raw_app_meta_data, body.app_metadata)}::jsonb,
          raw_user_meta_data = ${merged(user.raw_user_meta_data, body.user_metadata)}::jsonb,
          updated_at = now()
        where id = ${user.id}`;
      if (email !== null) {
        await transaction`
          update auth.identities set identity_data = identity_data || jsonb_build_object('email', ${email}::text),
                                     updated_at = now()
          where user_id = ${user.id} and provider = 'email'`;
      }
      if (hash !== null || typeof ban === "string") {
        await transaction`delete from auth.sessions where user_id = ${user.id}`;
      }
    });
    return json(await publicUser(this.sql, (await findUser(this.sql, user.id))!));
  }

  async #delete(user: UserRow): Promise<Response> {
    await this.sql`delete from auth.users where id = ${user.id}`;
    return json({});
  }

  async #factors(method: string, user: UserRow, factorId: string | undefined): Promise<Response> {
    const factors = await listFactors(this.sql, user.id);
    if (method === "GET" && factorId === undefined) return json(factors);
    const factor = factors.find((found) => found.id === factorId);
    if (!factor) throw new AuthFault(404, "mfa_factor_not_found", "Factor not found");
    if (method !== "DELETE") throw new AuthFault(405, "not_found", "Method not allowed");
    await this.sql.begin((transaction) => removeFactor(transaction, String(factor.id)));
    return json(factor);
  }

  /** The hash of `body.password`, or null when there is none. */
  async #hash(body: Body): Promise<string | null> {
    if (typeof body.password !== "string" || body.password === "") return null;
    if (body.password.length < this.minimumPasswordLength) {
      const message = `Password should be at least ${this.minimumPasswordLength} characters.`;
      throw new AuthFault(422, "weak_password", message);
    }
    if (new TextEncoder().encode(body.password).length > BCRYPT_MAX_BYTES) {
      throw invalid(`Password cannot be longer than ${BCRYPT_MAX_BYTES} characters`);
    }
    return await bcrypt.hash(body.password, BCRYPT_COST);
  }

  /** Runs `write`; a unique violation is an address that is taken. */
  async #unique(write: (transaction: Sql) => Promise<void>): Promise<void> {
    try {
      await this.sql.begin(write);
    } catch (error) {
      if ((error as { code?: string }).code !== "23505") throw error;
      const message = "A user with this email address has already been registered";
      throw new AuthFault(422, "email_exists", message);
    }
  }
}

function iso(date: Date | null | undefined): string | null | undefined {
  return date instanceof Date ? date.toISOString() : date;
}

function emailOf(value: unknown): string | null {
  if (value === undefined || value === null || value === "") return null;
  const email = String(value).toLowerCase();
  if (!/^[^\s@]+@[^\s@]+$/.test(email)) throw invalid("Unable to validate email address: invalid format");
  return email;
}

/** Upstream merges metadata one level deep; null takes a key away. */
function merged(old: Body | null, change: unknown): string {
  const entries = Object.entries({ ...(old ?? {}), ...object(change) });
  return JSON.stringify(Object.fromEntries(entries.filter(([, value]) => value !== null)));
}
