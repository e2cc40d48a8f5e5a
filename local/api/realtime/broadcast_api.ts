/** POST /realtime/v1/api/broadcast: messages from programs that hold no socket. */
import { json, readBody } from "../http.ts";
import type { Claims } from "../keys.ts";
import { parseJson } from "../rest/numbers.ts";
import type { Authorizer } from "./authorize.ts";
import type { Broadcast } from "./frames.ts";
import type { Hub } from "./hub.ts";

const SINGLE = /^\/realtime\/v1\/api\/broadcast\/([^/]+)\/events\/([^/]+)$/;
const MAX_BODY_BYTES = 3_000_000;
const MAX_MESSAGES = 100;
const encoder = new TextEncoder();

export interface BroadcastServices {
  hub: Hub;
  authorizer: Authorizer;
  privateOnly: boolean;
}

const accepted = () => new Response(null, { status: 202 });
const refused = (status: number) => json({ message: "Unauthorized" }, status);

async function permitted(services: BroadcastServices, claims: Claims, message: Broadcast): Promise<boolean> {
  if (!message.private) return !services.privateOnly;
  return await services.authorizer.mayWrite(claims, message.topic);
}

/** One entry of a batch, or null when it is not one. */
function readMessage(entry: unknown): Broadcast | null {
  if (entry === null || typeof entry !== "object") return null;
  const { topic, event, payload, private: isPrivate } = entry as Record<string, unknown>;
  if (typeof topic !== "string" || topic === "" || typeof event !== "string" || event === "") return null;
  if (payload === null || typeof payload !== "object") return null;
  const bytes = encoder.encode(JSON.stringify(payload));
  return { topic, event, private: isPrivate === true, bytes, binary: false };
}

async function batch(services: BroadcastServices, claims: Claims, body: Uint8Array): Promise<Response> {
  let messages: unknown;
  try {
    messages = (parseJson(new TextDecoder().decode(body)) as { messages?: unknown } | null)?.messages;
  } catch {
    messages = undefined;
  }
  if (!Array.isArray(messages)) return json({ errors: { messages: ["can't be blank"] } }, 422);
  if (messages.length > MAX_MESSAGES) {
    return json({ message: "Too many messages to broadcast, please reduce the batch size" }, 429);
  }
  const read = messages.map(readMessage);
  if (read.some((message) => message === null)) {
    return json({ errors: { messages: ["topic, event and payload are required"] } }, 422);
  }
  for (const message of read as Broadcast[]) {
    // What the caller may not send is skipped in silence, as upstream.
    if (await permitted(services, claims, message)) services.hub.deliver(message);
  }
  return accepted();
}

async function single(
  services: BroadcastServices,
  claims: Claims,
  url: URL,
  [topic, event]: string[],
  body: Uint8Array,
  contentType: string,
): Promise<Response> {
  const binary = contentType.startsWith("application/octet-stream");
  if (!binary && contentType !== "" && !contentType.startsWith("application/json")) {
    return json({ error: "Unsupported media type" }, 415);
  }
  const isPrivate = url.searchParams.get("private") === "true";
  const message: Broadcast = { topic, event, private: isPrivate, bytes: body, binary };
  try {
    if (!binary) JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    return json({ errors: { payload: ["is invalid"] } }, 422);
  }
  if (!await permitted(services, claims, message)) return refused(403);
  services.hub.deliver(message);
  return accepted();
}

/** Answers a POST to the broadcast endpoints for a caller with `claims`. */
export async function broadcastApi(
  services: BroadcastServices,
  claims: Claims | null,
  request: Request,
  url: URL,
): Promise<Response> {
  if (request.method !== "POST") return json({ message: "Not found" }, 404);
  if (!claims) return refused(401);
  const body = await readBody(request, MAX_BODY_BYTES);
  if (body === null) return json({ errors: { payload: ["Payload size exceeds tenant limit"] } }, 422);
  if (url.pathname === "/realtime/v1/api/broadcast") return await batch(services, claims, body);
  const match = SINGLE.exec(url.pathname);
  if (!match) return json({ message: "Not found" }, 404);
  const names = match.slice(1).map(decodeURIComponent);
  return await single(services, claims, url, names, body, request.headers.get("content-type") ?? "");
}
