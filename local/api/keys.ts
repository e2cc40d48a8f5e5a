/** API keys and access tokens: who is asking. */
import { errors, jwtVerify } from "jose";

export interface Claims {
  role: string;
  sub?: string;
  exp?: number;
  session_id?: string;
  aal?: string;
  [claim: string]: unknown;
}

export type TokenFault = "malformed" | "signature" | "expired" | "claims";

/** A token that is not accepted, and why. */
export class TokenError extends Error {
  override name = "TokenError";
  constructor(readonly fault: TokenFault, message: string, readonly expiredAt?: number) {
    super(message);
  }
}

const CACHE_SIZE = 2000;
const FAR_FUTURE = 253402300799;

function seconds(): number {
  return Math.floor(Date.now() / 1000);
}

/** True when both strings are equal; takes the same time wherever they differ. */
export function sameSecret(a: string, b: string): boolean {
  const [left, right] = [new TextEncoder().encode(a), new TextEncoder().encode(b)];
  let difference = left.length ^ right.length;
  for (let i = 0; i < left.length; i++) difference |= left[i] ^ (right[i % right.length] ?? 0);
  return difference === 0;
}

/** Checks tokens against one HS256 secret. Verified tokens are remembered, so a client's next request costs a look-up. */
export class Tokens {
  readonly #secret: Uint8Array;
  readonly #verified = new Map<string, Claims>();

  constructor(secret: string) {
    this.#secret = new TextEncoder().encode(secret);
  }

  /** The claims of `token`, or a TokenError. */
  async verify(token: string): Promise<Claims> {
    const known = this.#verified.get(token) ?? await this.#verifyNew(token);
    if (typeof known.exp === "number" && known.exp <= seconds()) {
      this.#verified.delete(token);
      throw new TokenError("expired", "JWT expired", known.exp);
    }
    return known;
  }

  async #verifyNew(token: string): Promise<Claims> {
    const parts = token.split(".").length;
    if (parts !== 3) throw new TokenError("malformed", `Expected 3 parts in JWT; got ${parts}`);
    try {
      const { payload } = await jwtVerify(token, this.#secret, { algorithms: ["HS256"] });
      if (typeof payload.role !== "string") throw new TokenError("claims", "Field `role` is required in JWT");
      const claims = payload as Claims;
      this.#remember(token, claims);
      return claims;
    } catch (error) {
      throw tokenError(error);
    }
  }

  #remember(token: string, claims: Claims): void {
    if (this.#verified.size >= CACHE_SIZE) this.#verified.delete(this.#verified.keys().next().value!);
    this.#verified.set(token, claims);
  }
}

function tokenError(error: unknown): TokenError {
  if (error instanceof TokenError) return error;
  if (error instanceof errors.JWTExpired) {
    return new TokenError("expired", "JWT expired", Number(error.payload.exp));
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) {
    return new TokenError("signature", "JWSError JWSInvalidSignature");
  }
  if (error instanceof errors.JWTClaimValidationFailed) return new TokenError("claims", "JWT not yet valid");
  return new TokenError("malformed", "JWT could not be decoded");
}

/** The four keys of an installation: two opaque ones and the two legacy JWTs. */
export class ApiKeys {
  constructor(
    private readonly tokens: Tokens,
    private readonly publishable: string,
    private readonly secret: string,
  ) {}

  /** What a key may do, or null for an unknown, malformed or expired one. */
  async claims(key: string | null | undefined): Promise<Claims | null> {
    if (!key) return null;
    if (sameSecret(key, this.publishable)) return { role: "anon", exp: FAR_FUTURE };
    if (sameSecret(key, this.secret)) return { role: "service_role", exp: FAR_FUTURE };
    if (key.startsWith("sb_")) return null;
    try {
      return await this.tokens.verify(key);
    } catch {
      return null;
    }
  }
}

export function apiKeyOf(request: Request, url: URL): string | null {
  return request.headers.get("apikey") ?? url.searchParams.get("apikey");
}

/** The bearer token, or null. An opaque key sent as a bearer (supabase-js without a session) is no token. */
export function bearerOf(request: Request): string | null {
  const match = /^Bearer\s+(.+)$/i.exec(request.headers.get("authorization") ?? "");
  const token = match?.[1].trim() ?? null;
  return token === null || token.startsWith("sb_") ? null : token;
}
