/**
 * Broker credentials, sealed where they are typed. HPKE, single shot: X25519, HKDF-SHA256, AES-256-GCM; what is
 * sealed is the encapsulated key (32 bytes) and the ciphertext. `info` binds a seal to its row.
 *
 * Runs in a browser as it is. Twin of shared/crypto/sealing.py: tests/payloads/crypto/seals.json is opened by both.
 */
// deno-lint-ignore no-import-prefix
import { Aes256Gcm, CipherSuite, HkdfSha256 } from "npm:@hpke/core@1.9.0";
// deno-lint-ignore no-import-prefix
import { DhkemX25519HkdfSha256 } from "npm:@hpke/dhkem-x25519@1.8.0";

const CREDENTIAL_LABEL = "empire-credential/1|";
const ENCAPSULATED = 32;
/** A seal is not longer: the tables refuse it. */
const MOST_BYTES = 16384;

/** A seal cannot be made or opened. The message never holds what was sealed. */
export class SealError extends Error {}

/** What a trader seals. `server` null where the broker has only one. */
export interface Credential {
  login: string;
  secret: string;
  server: string | null;
  developer_key: string | null;
}

/** The row a credential belongs to. `base_url` null: the operator's settings know the address. */
export interface Binding {
  user_id: string;
  connection_id: string;
  broker: string;
  environment: string;
  base_url: string | null;
  server: string | null;
  login: string;
  version: number;
  key_id: string;
}

/** Seals a credential for its row. Throws SealError when it names another login or server than the row. */
export async function sealCredential(
  credential: Credential,
  binding: Binding,
  publicKey: Uint8Array,
): Promise<Uint8Array> {
  compare(credential, binding);
  const { login, secret, server, developer_key } = credential;
  return await seal(bytes(canonical({ login, secret, server, developer_key })), infoOf(binding), publicKey);
}

/** Opens a seal with the recipient's private key (a trader's own device; tests). Throws SealError. */
export async function openCredential(
  sealed: Uint8Array,
  binding: Binding,
  privateKey: Uint8Array,
): Promise<Credential> {
  const plaintext = await unseal(sealed, infoOf(binding), privateKey);
  const credential = JSON.parse(new TextDecoder().decode(plaintext)) as Credential;
  compare(credential, binding);
  return credential;
}

/** Encapsulated key and ciphertext. Throws SealError when it would be too long to be kept. */
export async function seal(
  plaintext: Uint8Array<ArrayBuffer>,
  info: Uint8Array,
  publicKey: Uint8Array,
): Promise<Uint8Array> {
  const suite = cipherSuite();
  const recipientPublicKey = await suite.kem.deserializePublicKey(bufferOf(publicKey));
  const { enc, ct } = await suite.seal({ recipientPublicKey, info: bufferOf(info) }, plaintext);
  const sealed = joined(new Uint8Array(enc), new Uint8Array(ct));
  if (sealed.length > MOST_BYTES) {
    throw new SealError(`Too long: ${sealed.length} bytes sealed, at most ${MOST_BYTES} are kept.`);
  }
  return sealed;
}

/** The plaintext. Throws SealError: for another row, another version, or altered. */
export async function unseal(
  sealed: Uint8Array,
  info: Uint8Array,
  privateKey: Uint8Array,
): Promise<ArrayBuffer> {
  const suite = cipherSuite();
  try {
    const recipientKey = await suite.kem.deserializePrivateKey(bufferOf(privateKey));
    const enc = bufferOf(sealed.subarray(0, ENCAPSULATED));
    return await suite.open(
      { recipientKey, enc, info: bufferOf(info) },
      bufferOf(sealed.subarray(ENCAPSULATED)),
    );
  } catch {
    throw new SealError(
      "The sealed credential does not belong to this connection as it stands: enter it again.",
    );
  }
}

/** HPKE's info for a row. Nothing of it is secret. */
export function infoOf(binding: Binding): Uint8Array {
  const { user_id, connection_id, broker, environment, base_url, server, login, version, key_id } = binding;
  const row = { user_id, connection_id, broker, environment, base_url, server, login, version, key_id };
  return bytes(CREDENTIAL_LABEL + canonical(row));
}

/** One JSON text for the same values in every language: names sorted, no spaces. Throws for lone surrogates. */
export function canonical(values: Record<string, string | number | null>): string {
  const names = Object.keys(values).toSorted();
  for (const value of Object.values(values)) {
    if (typeof value === "string" && !value.isWellFormed()) throw new SealError("Text that is no Unicode.");
  }
  return JSON.stringify(Object.fromEntries(names.map((name) => [name, values[name]])));
}

/** base64url without padding. */
export function encode(raw: Uint8Array): string {
  const text = btoa(String.fromCharCode(...raw));
  return text.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** The bytes of a base64url text in its one spelling. Throws for any other. */
export function decode(text: string): Uint8Array {
  const raw = Uint8Array.from(
    atob(text.replaceAll("-", "+").replaceAll("_", "/")),
    (character) => character.charCodeAt(0),
  );
  if (encode(raw) !== text) throw new SealError("not base64url");
  return raw;
}

export function bytes(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** A copy in a buffer of its own: the library takes buffers, and a view may show only a part of one. */
export function bufferOf(raw: Uint8Array): ArrayBuffer {
  return new Uint8Array(raw).buffer;
}

function compare(credential: Credential, binding: Binding): void {
  if (credential.login !== binding.login || credential.server !== binding.server) {
    throw new SealError("The sealed credential names another login or server than this connection.");
  }
}

function cipherSuite(): CipherSuite {
  return new CipherSuite({
    kem: new DhkemX25519HkdfSha256(),
    kdf: new HkdfSha256(),
    aead: new Aes256Gcm(),
  });
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
