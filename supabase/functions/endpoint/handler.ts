/**
 * POST /functions/v1/endpoint {"endpoint_id": "<uuid>"}: the address and signing secret of the caller's own endpoint.
 * Whether he may see them is decided by public.reveal_endpoint under his own token; the secrets are derived here and
 * are stored nowhere.
 */
import { refusal } from "../_shared/answers.ts";
import { readBody } from "../_shared/body.ts";
import type { TokenKeys } from "../_shared/token.ts";

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** What public.reveal_endpoint returns to the endpoint's owner. */
export interface Revealed {
  endpoint_id: string;
  version: number;
  broker: string;
}

/** The database said no: `code` and sentence as it gave them. */
export interface Refused {
  status: number;
  code: string;
  message: string;
}

/** Calls public.reveal_endpoint with the caller's own Authorization header. */
export type Reveal = (authorization: string, endpointId: string) => Promise<Revealed | Refused>;

export async function handleEndpoint(request: Request, keys: TokenKeys, reveal: Reveal): Promise<Response> {
  if (request.method !== "POST") {
    return refusal(405, "method_not_allowed", "Ask with POST.", { allow: "POST" });
  }
  const authorization = request.headers.get("authorization");
  if (!authorization?.startsWith("Bearer ")) return refusal(401, "unauthorized", "Sign in first.");
  const endpointId = await readEndpointId(request);
  if (endpointId === null) return refusal(422, "invalid", 'Send {"endpoint_id": "<uuid>"}.');
  const answered = await reveal(authorization, endpointId);
  if ("status" in answered) return refusal(answered.status, answered.code, answered.message);
  return Response.json(secretsOf(answered, keys), { headers: { "cache-control": "no-store" } });
}

async function readEndpointId(request: Request): Promise<string | null> {
  const body = await readBody(request).catch(() => "unreadable" as const);
  if (typeof body === "string") return null;
  try {
    const given = JSON.parse(new TextDecoder().decode(body))?.endpoint_id;
    return typeof given === "string" && UUID.test(given) ? given.toLowerCase() : null;
  } catch {
    return null;
  }
}

function secretsOf({ endpoint_id, version, broker }: Revealed, keys: TokenKeys) {
  const token = keys.token(endpoint_id, version);
  return {
    endpoint_id,
    version,
    broker,
    token,
    path: `/functions/v1/webhook/${broker}/${token}`,
    signing_secret: keys.signingSecret(endpoint_id, version),
  };
}
