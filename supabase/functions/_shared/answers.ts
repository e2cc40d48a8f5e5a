/** The webhook's answers, as docs describe them: JSON, never cached. */

export interface Detail {
  path: string;
  message: string;
}

/** What engine.ingest answers; `http` is the status. */
export interface Answer {
  http: number;
  status?: "accepted" | "duplicate";
  event_id?: number;
  deliveries?: number;
  error?: string;
  message?: string;
  details?: Detail[];
  retry_after?: number;
}

// An answer may quote the sender's words: no browser is to read them as a page.
const HEADERS = {
  "content-type": "application/json",
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
};

/** The HTTP response for what the database answered. */
export function answer({ http, retry_after, ...body }: Answer): Response {
  // Whatever is wrong with a token, the answer is the same to the letter.
  if (http === 401 && body.error === "unauthorized") return unauthorized();
  const headers = retry_after === undefined ? HEADERS : { ...HEADERS, "retry-after": String(retry_after) };
  return new Response(JSON.stringify(body), { status: http, headers });
}

/** A refusal that needs no database. */
export function refusal(status: number, error: string, message: string, extra: Record<string, string> = {}) {
  return new Response(JSON.stringify({ error, message }), { status, headers: { ...HEADERS, ...extra } });
}

/** Unknown, forged, revoked, expired: one answer. */
export function unauthorized(): Response {
  return refusal(401, "unauthorized", "This address is not valid (any more).");
}

/** The commit is not confirmed: the sender must send again, and a resend is recognised. */
export function notConfirmed(): Response {
  return refusal(503, "not_confirmed", "The alert could not be stored for certain. Send it again.", {
    "retry-after": "5",
  });
}
