/**
 * The fleet's public sealing keys, signed by an offline root. A client seals only to a key whose signature
 * verifies under the root it was built with: who can write the database cannot make it seal to a key of his own.
 * Runs in a browser as it is. Twin of shared/crypto/fleet_keys.py; vectors: tests/payloads/crypto/fleet_keys.json.
 */
import { bufferOf, bytes, canonical, decode, SealError } from "./sealing.ts";

const LABEL = "empire-fleet-key/1|";

/** A row of public.fleet_keys. `expires_on` is the last day (UTC, YYYY-MM-DD) it is sealed to. */
export interface SignedKey {
  key_id: string;
  public_key: string;
  expires_on: string;
  signature: string;
}

/** The key to seal to. Throws SealError unless the root has signed it, it names itself and is still valid. */
export async function checkedKey(key: SignedKey, root: Uint8Array, today: string): Promise<Uint8Array> {
  const { key_id, public_key, expires_on } = key;
  const raw = await signedBytes(key, root);
  if (raw === null) {
    throw new SealError(
      `The key ${key_id} is not signed by this installation's root: nothing is sealed to it.`,
    );
  }
  if (await keyIdOf(raw) !== key_id) {
    throw new SealError(`The key ${key_id} is not the key it says: nothing is sealed to it.`);
  }
  if (expires_on < today) {
    throw new SealError(`The key ${key_id} expired on ${expires_on}: the operator must rotate it.`);
  }
  return decode(public_key);
}

/** `f` and 16 hex digits of the key's SHA-256. */
export async function keyIdOf(publicKey: Uint8Array): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bufferOf(publicKey)));
  return "f" + [...digest.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function signedBytes(key: SignedKey, root: Uint8Array): Promise<Uint8Array | null> {
  const { key_id, public_key, expires_on, signature } = key;
  try {
    const verifier = await crypto.subtle.importKey("raw", bufferOf(root), "Ed25519", false, ["verify"]);
    const statement = bytes(LABEL + canonical({ expires_on, key_id, public_key }));
    const good = await crypto.subtle.verify("Ed25519", verifier, bufferOf(decode(signature)), statement);
    const raw = decode(public_key);
    return good && raw.length === 32 && /^\d{4}-\d{2}-\d{2}$/.test(expires_on) ? raw : null;
  } catch {
    return null;
  }
}
