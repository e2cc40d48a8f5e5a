/**
 * Endpoint tokens: `<kid>.<endpoint id>.<version>.<128-bit MAC>`. Twin of shared/crypto/endpoint_token.py;
 * tests/payloads/crypto/tokens.json holds both to equal results. The MAC alone never suffices: the database
 * also wants an enabled endpoint and the current version.
 */
import { Buffer } from "node:buffer";
import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";

const TOKEN_LABEL = "empire/endpoint-token/1";
const SIGNATURE_LABEL = "empire/endpoint-signature/1";
const MAC_BYTES = 16;
const KEY = /^([a-z0-9]{1,8}):([A-Za-z0-9_-]{43})$/;
const UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
const TOKEN = new RegExp(`^([a-z0-9]{1,8})\\.(${UUID})\\.([1-9][0-9]{0,8})\\.([A-Za-z0-9_-]{22})$`);

/** What a token names, once its MAC has been found right. */
export interface Credential {
  kid: string;
  endpointId: string;
  version: number;
}

interface DerivedKeys {
  token: Uint8Array;
  signature: Uint8Array;
}

/** MACs of endpoints that were seen before, so many at most. */
const REMEMBERED = 10_000;

/** The keys derived from EMPIRE_TOKEN_KEYS, once per process: the first request of an endpoint costs one HMAC. */
export class TokenKeys {
  // Of tokens that were right only: nobody can fill it with names.
  private readonly macs = new Map<string, Buffer>();

  private constructor(
    private readonly keys: ReadonlyMap<string, DerivedKeys>,
    private readonly current: string,
  ) {}

  /** Reads `k2:<base64url of 32 bytes>,k1:...`: the first makes new tokens, two are a rotation. */
  static parse(text: string): TokenKeys {
    const keys = new Map<string, DerivedKeys>();
    const entries = text.split(",");
    for (const entry of entries) {
      const [, kid, encoded] = KEY.exec(entry) ?? [];
      const master = Buffer.from(encoded ?? "", "base64url");
      // Compared with its own encoding: stray bits in the last character would make two spellings of one key.
      if (!kid || master.length !== 32 || master.toString("base64url") !== encoded || keys.has(kid)) {
        throw new Error("EMPIRE_TOKEN_KEYS must be <key id>:<base64url of 32 bytes>, one or two, by commas");
      }
      keys.set(kid, { token: derive(master, TOKEN_LABEL), signature: derive(master, SIGNATURE_LABEL) });
    }
    if (entries.length > 2) {
      throw new Error("EMPIRE_TOKEN_KEYS may hold two keys: the new one and the old one");
    }
    return new TokenKeys(keys, [...keys.keys()][0]!);
  }

  /** The token of an endpoint under the current key. */
  token(endpointId: string, version: number): string {
    const named = `${this.current}.${endpointId}.${version}`;
    return `${named}.${mac(this.keys.get(this.current)!.token, named)}`;
  }

  /** What `token` names, or null when it is malformed, of an unknown key, or forged. Constant time in the MAC. */
  verify(token: string): Credential | null {
    const [, kid, endpointId, version, given] = TOKEN.exec(token) ?? [];
    const key = kid === undefined ? undefined : this.keys.get(kid);
    if (!kid || !key || !endpointId || !version || !given) return null;
    const named = `${kid}.${endpointId}.${version}`;
    const known = this.macs.get(named);
    const expected = known ?? Buffer.from(mac(key.token, named));
    if (!timingSafeEqual(expected, Buffer.from(given))) return null;
    if (known === undefined) this.remember(named, expected);
    return { kid, endpointId, version: Number(version) };
  }

  private remember(named: string, expected: Buffer): void {
    if (this.macs.size >= REMEMBERED) this.macs.delete(this.macs.keys().next().value!);
    this.macs.set(named, expected);
  }

  /** The secret with which the sender of an endpoint signs: `whsec_...`, used whole as the HMAC key. */
  signingSecret(endpointId: string, version: number, kid: string = this.current): string {
    const key = this.keys.get(kid);
    if (!key) throw new Error("unknown key id");
    const secret = createHmac("sha256", key.signature).update(`${endpointId}.${version}`).digest("base64url");
    return `whsec_${secret}`;
  }
}

function derive(master: Uint8Array, label: string): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", master, new Uint8Array(0), label, 32));
}

function mac(key: Uint8Array, named: string): string {
  return createHmac("sha256", key).update(named).digest().subarray(0, MAC_BYTES).toString("base64url");
}
