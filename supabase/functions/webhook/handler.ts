/**
 * POST /functions/v1/webhook/<broker>/<token>: from bytes to a durable row. The order is the point: method, token,
 * size, signature, text, meaning, database; nothing unauthenticated reaches Postgres.
 */
import { createHash } from "node:crypto";
import { judge } from "../_shared/alert.ts";
import { type Answer, answer, notConfirmed, refusal, unauthorized } from "../_shared/answers.ts";
import { decode, readBody } from "../_shared/body.ts";
import { clientAddress } from "../_shared/client_address.ts";
import { FloodGate } from "../_shared/flood.ts";
import type { Problem } from "../_shared/problem.ts";
import { hide, redact } from "../_shared/redact.ts";
import { verify } from "../_shared/signature.ts";
import type { Credential, TokenKeys } from "../_shared/token.ts";

// Matched against the whole address: to parse it into an URL first costs more than all that is read of it.
const PATH =
  /^[a-z]+:\/\/[^/?#]+(?:\/functions\/v1|\/api\/unify\/v1)?\/webhook\/([^/?#]+)\/([^/?#]+)\/?(?:[?#].*)?$/;
const BROKERS: Record<string, string> = {
  tradelocker: "tradelocker",
  topstepx: "topstepx",
  topstep: "topstepx",
  metatrader: "metatrader",
  truforex: "metatrader",
  mt4: "metatrader",
  mt5: "metatrader",
  paper: "paper",
};
const LONGEST_SIGNATURE = 300;

/** Where alerts are written: engine.ingest, which also wakes the workers. */
export interface Inbox {
  /** Alerts of one `line` are written in the order of their arrival. */
  ingest(argument: string, line: string): Promise<Answer>;
}

export interface WebhookSettings {
  keys: TokenKeys;
  inbox: Inbox;
  /** How many proxies in front of us append to X-Forwarded-For. */
  trustedHops: number;
  log?: (line: Record<string, unknown>) => void;
  /** Unix seconds. */
  now?: () => number;
}

/** The address an alert was posted to. */
interface Target {
  broker: string;
  token: string;
  credential: Credential;
}

/** Who posted it, as far as is known. */
interface Sender {
  address: string | null;
  signature: string | null;
  signatureValid: boolean | null;
}

export class WebhookHandler {
  // Forged tokens per address: past this they are answered without a log line.
  private readonly forged = new FloodGate(600, 10_000);
  // Tokens whose MAC is right but which the database no longer honours, and wrong signatures.
  private readonly revoked = new FloodGate(20, 5_000);
  private readonly unsigned = new FloodGate(100, 10_000);
  private readonly log: (line: Record<string, unknown>) => void;
  private readonly now: () => number;

  constructor(private readonly settings: WebhookSettings) {
    this.log = settings.log ?? ((line) => console.log(JSON.stringify(line)));
    this.now = settings.now ?? (() => Math.floor(Date.now() / 1000));
  }

  /** Answers one request. Never throws; a 5xx only says that the commit is not confirmed. */
  async handle(request: Request, peer: string | null): Promise<Response> {
    const [, alias, token] = PATH.exec(request.url) ?? [];
    const broker = Object.hasOwn(BROKERS, alias ?? "") ? BROKERS[alias!] : undefined;
    if (token === undefined || broker === undefined) {
      return refusal(404, "not_found", "Alerts are posted to /webhook/<broker>/<token>.");
    }
    if (request.method !== "POST") {
      return refusal(405, "method_not_allowed", "Alerts are posted with POST.", { allow: "POST" });
    }
    const address = clientAddress(request.headers, peer, this.settings.trustedHops);
    const credential = this.settings.keys.verify(token);
    if (credential === null) return this.forgery(broker, address);
    return await this.authenticated(request, { broker, token, credential }, address);
  }

  private forgery(broker: string, address: string | null): Response {
    const from = address ?? "unknown";
    if (this.forged.closed(from)) {
      const seconds = String(this.forged.retryAfter(from));
      return refusal(429, "rate_limited", "Too many attempts.", { "retry-after": seconds });
    }
    this.forged.count(from);
    this.log({ path: `/webhook/${broker}/?`, status: 401, error: "unauthorized", client_ip: address });
    return unauthorized();
  }

  private async authenticated(request: Request, target: Target, address: string | null): Promise<Response> {
    const named = `${target.credential.endpointId}.${target.credential.version}`;
    if (this.revoked.closed(named)) return unauthorized();
    const encoding = request.headers.get("content-encoding");
    if (encoding !== null && encoding.toLowerCase() !== "identity") {
      return refusal(415, "unsupported_encoding", "Send the body as it is, without Content-Encoding.");
    }
    const body = await readBody(request).catch(() => null);
    if (body === null) return refusal(400, "unreadable", "The body ended before it was complete.");
    if (body === "too_large") return refusal(413, "too_large", "An alert may have 16 kB (16384 bytes).");
    const sender = this.sender(request.headers, address, target.credential, body);
    if (sender.signatureValid === false && this.unsigned.closed(named)) {
      return refusal(401, "signature_invalid", "This endpoint wants a valid X-Webhook-Signature header.");
    }
    return await this.store(target, sender, body, named);
  }

  private sender(headers: Headers, address: string | null, to: Credential, body: Uint8Array): Sender {
    const signature = headers.get("x-webhook-signature");
    if (signature === null) return { address, signature, signatureValid: null };
    const secret = this.settings.keys.signingSecret(to.endpointId, to.version, to.kid);
    return { address, signature, signatureValid: verify(signature, secret, body, this.now()) };
  }

  private async store(target: Target, sender: Sender, body: Uint8Array, named: string): Promise<Response> {
    let given: Answer;
    try {
      given = await this.settings.inbox.ingest(argument(target, sender, body), target.credential.endpointId);
    } catch (error) {
      this.report(target, 503, "not_confirmed", { cause: (error as Error).message });
      return notConfirmed();
    }
    if (given.http === 401) (given.error === "unauthorized" ? this.revoked : this.unsigned).count(named);
    if (given.http >= 400) this.report(target, given.http, given.error, { event_id: given.event_id });
    return answer(given);
  }

  /** One line about a refusal. The token is never in it: the endpoint's id says which. */
  private report(target: Target, status: number, error: string | undefined, more: Record<string, unknown>) {
    this.log({ path: `/webhook/${target.broker}/${target.credential.endpointId}`, status, error, ...more });
  }
}

/** The argument of engine.ingest as JSON text: numbers stay as the sender wrote them. */
function argument({ broker, token, credential }: Target, sender: Sender, body: Uint8Array): string {
  const { text, valid } = decode(body);
  const { document, problems } = valid ? judge(text) : NOT_TEXT;
  // The MAC alone would let anyone who knows the endpoint's id rebuild the token.
  const known = [token, token.slice(token.lastIndexOf(".") + 1)];
  const stored = redact(text, document, known);
  const head = JSON.stringify({
    endpoint_id: credential.endpointId,
    token_version: credential.version,
    broker,
    body: stored.body,
    body_sha256: createHash("sha256").update(body).digest("hex"),
    signature: sender.signature === null ? null : hide(sender.signature, known).slice(0, LONGEST_SIGNATURE),
    signature_valid: sender.signatureValid,
    client_ip: sender.address,
    refusal: problems.length === 0 ? null : refusalOf(problems, known),
  });
  const payload = problems.length === 0 ? stored.payload : null;
  return `${head.slice(0, -1)},"payload":${payload}}`;
}

const NOT_TEXT = {
  document: null,
  problems: [{ path: "$", message: "the body is not UTF-8 text", code: "unreadable" as const }],
};

function refusalOf(problems: Problem[], known: string[]) {
  const unreadable = problems.some(({ code }) => code === "unreadable");
  return {
    status: unreadable ? 400 : 422,
    error: unreadable ? "unreadable" : "invalid",
    details: problems.map(({ path, message }) => ({
      path: hide(path, known),
      message: hide(message, known),
    })),
  };
}
