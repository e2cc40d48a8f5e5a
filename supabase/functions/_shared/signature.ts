/**
 * The header `X-Webhook-Signature: t=<unix seconds>,v1=<hex>`: HMAC-SHA256 over "<t>.<raw body>", keyed with the
 * whole signing secret. Twin of shared/crypto/signature.py; vectors: tests/payloads/crypto/signatures.json.
 */
import { Buffer } from "node:buffer";
import { createHmac, timingSafeEqual } from "node:crypto";

export const TOLERANCE_S = 300;
const HEADER = /^t=([0-9]{1,12})((?:,v1=[0-9a-fA-F]{64}){1,3})$/;

/** The header that signs `body` at `now` (unix seconds). */
export function sign(secret: string, body: Uint8Array, now: number): string {
  return `t=${now},v1=${digest(secret, String(now), body).toString("hex")}`;
}

/**
 * True when one of the header's v1 is right and its time within 300 s of `now` (unix seconds). A header sent
 * twice arrives joined by ", " and is refused. Up to three v1 allow the sender to rotate its secret.
 */
export function verify(header: string, secret: string, body: Uint8Array, now: number): boolean {
  const [, time, signatures] = HEADER.exec(header) ?? [];
  if (time === undefined || signatures === undefined) return false;
  if (Math.abs(now - Number(time)) > TOLERANCE_S) return false;
  const expected = digest(secret, time, body);
  return signatures
    .split(",v1=")
    .slice(1)
    .map((given) => timingSafeEqual(Buffer.from(given, "hex"), expected))
    .includes(true);
}

function digest(secret: string, time: string, body: Uint8Array): Buffer {
  return createHmac("sha256", secret).update(`${time}.`).update(body).digest();
}
