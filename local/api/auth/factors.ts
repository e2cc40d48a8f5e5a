/** Second factors of the signed-in user: enrol, challenge, verify, unenrol. */
import type postgres from "postgres";
import { json } from "../http.ts";
import type { Caller } from "./service.ts";
import { AuthFault } from "./errors.ts";
import { currentRefreshToken } from "./sessions.ts";
import { findSession, findUser, hasVerifiedFactor, listFactors, type Sql } from "./store.ts";
import { proved, type TokenIssuer } from "./tokens.ts";
import { acceptedStep, enroll } from "./totp.ts";

const CHALLENGE_SECONDS = 300;
const CODES_PER_CHALLENGE = 5;
/** Over all challenges of a factor, within CHALLENGE_SECONDS: a million codes must not be tried one by one. */
const CODES_PER_FACTOR = 15;
const MAX_FACTORS = 10;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

type Body = Record<string, unknown>;

interface Factor {
  id: string;
  status: "unverified" | "verified";
  secret: string;
}

export class Factors {
  constructor(
    private readonly sql: postgres.Sql,
    private readonly issuer: TokenIssuer,
    private readonly siteHost: string,
  ) {}

  /** Answers /factors[/<id>[/challenge|/verify]]. */
  async handle(method: string, path: string[], body: Body, caller: Caller): Promise<Response> {
    const [id, action] = path;
    if (id === undefined && method === "GET") return json(await listFactors(this.sql, caller.userId));
    if (id === undefined && method === "POST") return await this.#enroll(body, caller);
    const factor = await this.#find(id, caller);
    if (method === "DELETE" && action === undefined) return await this.#unenroll(factor, caller);
    if (method === "POST" && action === "challenge") return await this.#challenge(factor);
    if (method === "POST" && action === "verify") return await this.#verify(factor, body, caller);
    throw new AuthFault(404, "not_found", "Not found");
  }

  async #find(id: string, caller: Caller): Promise<Factor> {
    const [factor] = UUID.test(id)
      ? await this.sql<Factor[]>`
        select id, status, secret from auth.mfa_factors where id = ${id} and user_id = ${caller.userId}`
      : [];
    if (!factor) throw new AuthFault(404, "mfa_factor_not_found", "Factor not found");
    return factor;
  }

  async #enroll(body: Body, caller: Caller): Promise<Response> {
    if (body.factor_type !== "totp") {
      throw new AuthFault(422, "validation_failed", "factor_type needs to be totp");
    }
    const name = typeof body.friendly_name === "string" ? body.friendly_name.trim() : "";
    if (caller.aal !== "aal2" && await hasVerifiedFactor(this.sql, caller.userId)) {
      throw new AuthFault(403, "insufficient_aal", "AAL2 required to enroll a new factor");
    }
    const user = await findUser(this.sql, caller.userId);
    const issuer = typeof body.issuer === "string" && body.issuer !== "" ? body.issuer : this.siteHost;
    const enrollment = await enroll(issuer, user?.email || caller.userId);
    const id = await this.#insert(caller.userId, name, enrollment.secret);
    const { qr_code, secret, uri } = enrollment;
    return json({ id, type: "totp", friendly_name: name, totp: { qr_code, secret, uri } });
  }

  async #insert(userId: string, name: string, secret: string): Promise<string> {
    try {
      return await this.sql.begin(async (transaction) => {
        await transaction`select from auth.users where id = ${userId} for update`;
        await transaction`
          delete from auth.mfa_factors
          where user_id = ${userId} and status = 'unverified' and created_at < now() - interval '5 minutes'`;
        const [{ count }] = await transaction`
          select count(*)::int as count from auth.mfa_factors where user_id = ${userId}`;
        if (count >= MAX_FACTORS) {
          throw new AuthFault(
            422,
            "too_many_enrolled_mfa_factors",
            "Maximum number of verified factors reached, unenroll to continue",
          );
        }
        const [{ id }] = await transaction`
          insert into auth.mfa_factors (user_id, friendly_name, factor_type, status, secret)
          values (${userId}, ${name}, 'totp', 'unverified', ${secret}) returning id`;
        return id;
      });
    } catch (error) {
      if ((error as { code?: string }).code !== "23505") throw error;
      throw new AuthFault(
        422,
        "mfa_factor_name_conflict",
        `A factor with the friendly name "${name}" for this user already exists`,
      );
    }
  }

  async #challenge(factor: Factor): Promise<Response> {
    await this.sql`delete from auth.mfa_challenges where created_at < now() - interval '1 day'`;
    const [challenge] = await this.sql`
      insert into auth.mfa_challenges (factor_id) values (${factor.id})
      returning id, extract(epoch from created_at)::int + ${CHALLENGE_SECONDS}::int as expires_at`;
    await this.sql`update auth.mfa_factors set last_challenged_at = now() where id = ${factor.id}`;
    return json({ id: challenge.id, type: "totp", expires_at: challenge.expires_at });
  }

  async #verify(factor: Factor, body: Body, caller: Caller): Promise<Response> {
    await this.#countAttempt(factor, String(body.challenge_id ?? ""));
    const step = acceptedStep(factor.secret, String(body.code ?? ""));
    if (step === null || !await this.#accept(factor, step, String(body.challenge_id), caller)) {
      throw new AuthFault(422, "mfa_verification_failed", "Invalid TOTP code entered");
    }
    const user = await findUser(this.sql, caller.userId);
    const session = await findSession(this.sql, caller.sessionId);
    if (!user || !session) throw new AuthFault(403, "session_not_found", "Session does not exist");
    const refreshToken = await currentRefreshToken(this.sql, session.id);
    return json(await this.issuer.sessionBody(user, session, refreshToken, "totp"));
  }

  /** Counted before the code is looked at, in its own transaction: parallel guesses cannot slip past the limit. */
  async #countAttempt(factor: Factor, challengeId: string): Promise<void> {
    const [spent] = await this.sql`
      select coalesce(sum(attempts), 0)::int as attempts from auth.mfa_challenges
      where factor_id = ${factor.id} and created_at > now() - make_interval(secs => ${CHALLENGE_SECONDS})`;
    if (spent.attempts >= CODES_PER_FACTOR) {
      throw new AuthFault(429, "over_request_rate_limit", "Too many verification attempts, try again later");
    }
    const [challenge] = UUID.test(challengeId)
      ? await this.sql`
        update auth.mfa_challenges set attempts = attempts + 1
        where id = ${challengeId} and factor_id = ${factor.id} and verified_at is null
          and attempts < ${CODES_PER_CHALLENGE}
          and created_at > now() - make_interval(secs => ${CHALLENGE_SECONDS})
        returning id`
      : [];
    if (challenge) return;
    throw new AuthFault(
      422,
      "mfa_challenge_expired",
      `MFA challenge ${challengeId} has expired, verify against another challenge or create a new challenge.`,
    );
  }

  /** Raises the session to aal2 unless the code's time step was used before. */
  async #accept(factor: Factor, step: number, challengeId: string, caller: Caller): Promise<boolean> {
    return await this.sql.begin(async (transaction) => {
      const used = await transaction`
        update auth.mfa_factors set status = 'verified', last_counter = ${step}, updated_at = now()
        where id = ${factor.id} and last_counter < ${step} returning id`;
      if (used.length === 0) return false;
      await transaction`update auth.mfa_challenges set verified_at = now() where id = ${challengeId}`;
      await transaction`
        update auth.sessions set aal = 'aal2', factor_id = ${factor.id}, updated_at = now()
        where id = ${caller.sessionId}`;
      await proved(transaction, caller.sessionId, "totp");
      await transaction`
        delete from auth.sessions where user_id = ${caller.userId} and coalesce(aal, 'aal1') = 'aal1'`;
      await transaction`
        delete from auth.mfa_factors where user_id = ${caller.userId} and status = 'unverified'`;
      return true;
    });
  }

  async #unenroll(factor: Factor, caller: Caller): Promise<Response> {
    if (factor.status === "verified" && caller.aal !== "aal2") {
      throw new AuthFault(422, "insufficient_aal", "AAL2 required to unenroll verified factor");
    }
    await this.sql.begin((transaction) => removeFactor(transaction, factor.id));
    return json({ id: factor.id });
  }
}

/** Deletes a factor; the sessions it raised fall back to aal1. */
export async function removeFactor(sql: Sql, id: string): Promise<void> {
  await sql`
    delete from auth.mfa_amr_claims where authentication_method = 'totp'
      and session_id in (select id from auth.sessions where factor_id = ${id})`;
  await sql`update auth.sessions set aal = 'aal1', factor_id = null where factor_id = ${id}`;
  await sql`delete from auth.mfa_factors where id = ${id}`;
}
