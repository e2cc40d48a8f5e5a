/** Database errors as PostgREST reports them. */

interface DatabaseError {
  code?: unknown;
  message?: string;
  detail?: string;
  hint?: string;
}

/** Codes @supabase/lite answers well itself: it knows the caller (42501) or the relation (42703, 42883). */
const LITE_KNOWS = new Set(["42501", "42703", "42883", "PGRST"]);
/** postgres.js, when there is no connection to speak of. */
const CONNECTION_CODES = new Set([
  "CONNECTION_CLOSED",
  "CONNECTION_ENDED",
  "CONNECTION_DESTROYED",
  "CONNECT_TIMEOUT",
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
]);
const STATUS_OF_CODE: Record<string, number> = {
  "23503": 409,
  "23505": 409,
  "25006": 405,
  "42P01": 404,
  "42P17": 500,
  "53400": 500,
  "57P01": 503,
  "P0001": 400,
};
const STATUS_OF_CLASS: Record<string, number> = {
  "08": 503,
  "09": 500,
  "0L": 403,
  "0P": 403,
  "25": 500,
  "28": 403,
  "2D": 500,
  "38": 500,
  "39": 500,
  "3B": 500,
  "40": 500,
  "53": 503,
  "54": 500,
  "55": 500,
  "57": 500,
  "58": 500,
  "F0": 500,
  "HV": 500,
  "P0": 500,
  "XX": 500,
};

/** The HTTP status PostgREST gives a SQLSTATE (42501 depends on the caller and is not decided here). */
export function statusOf(sqlstate: string): number {
  return STATUS_OF_CODE[sqlstate] ?? STATUS_OF_CLASS[sqlstate.slice(0, 2)] ?? 400;
}

/** The form of `raise sqlstate 'PGRST'`, which lite turns into exactly this answer. */
function asRaised(status: number, body: Record<string, unknown>): Error {
  return Object.assign(new Error(JSON.stringify(body)), {
    code: "PGRST",
    detail: JSON.stringify({ status, headers: {} }),
  });
}

/** What lite should see instead of `error`: unchanged where lite is right, PostgREST's own answer where it is not. */
export function normalizeError(error: unknown): unknown {
  const { code, message, detail, hint } = (error ?? {}) as DatabaseError;
  if (typeof code !== "string" || LITE_KNOWS.has(code) || code.startsWith("PT")) return error;
  if (CONNECTION_CODES.has(code)) {
    return asRaised(503, {
      code: "PGRST001",
      message: "Database client error. Retrying the connection.",
      details: null,
      hint: null,
    });
  }
  if (!/^[0-9A-Z]{5}$/.test(code)) return error;
  return asRaised(statusOf(code), { code, message, details: detail ?? null, hint: hint ?? null });
}

/** An error answer in PostgREST's shape. */
export function restError(
  status: number,
  code: string,
  message: string,
  headers: Record<string, string> = {},
): Response {
  return new Response(JSON.stringify({ code, details: null, hint: null, message }), {
    status,
    headers: { "content-type": "application/json; charset=utf-8", ...headers },
  });
}
