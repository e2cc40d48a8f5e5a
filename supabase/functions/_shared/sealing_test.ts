import { deepStrictEqual, rejects, strictEqual } from "node:assert/strict";
import { checkedKey, keyIdOf, type SignedKey } from "./fleet_keys.ts";
import { loadVectors } from "./payloads.ts";
import {
  type Binding,
  canonical,
  type Credential,
  decode,
  infoOf,
  openCredential,
  sealCredential,
  SealError,
} from "./sealing.ts";

interface Seals {
  private_key: string;
  public_key: string;
  key_id: string;
  good: { name: string; binding: Binding; info: string; credential: Credential; sealed: string }[];
  bad: { name: string; binding: Binding; sealed: string }[];
}

interface FleetKeys {
  root: string;
  today: string;
  good: { name: string; key: SignedKey }[];
  bad: { name: string; key: SignedKey }[];
}

const seals = loadVectors<Seals>("crypto/seals.json");
const fleetKeys = loadVectors<FleetKeys>("crypto/fleet_keys.json");
const privateKey = decode(seals.private_key);
const root = decode(fleetKeys.root);

Deno.test("a seal opens for its row, whoever sealed it", async () => {
  for (const { name, binding, info, credential, sealed } of seals.good) {
    strictEqual(new TextDecoder().decode(infoOf(binding)), info, name);
    deepStrictEqual(await openCredential(decode(sealed), binding, privateKey), credential, name);
  }
});

Deno.test("a seal opens for no other row, no older version and not when altered", async () => {
  for (const { name, binding, sealed } of seals.bad) {
    await rejects(openCredential(decode(sealed), binding, privateKey), SealError, name);
  }
});

Deno.test("what is sealed here opens here; a credential for another login is not sealed", async () => {
  const { binding, credential } = seals.good[0]!;
  const publicKey = decode(seals.public_key);
  const sealed = await sealCredential(credential, binding, publicKey);
  deepStrictEqual(await openCredential(sealed, binding, privateKey), credential);
  await rejects(sealCredential({ ...credential, login: "other" }, binding, publicKey), SealError);
  await rejects(sealCredential({ ...credential, server: null }, binding, publicKey), SealError);
});

Deno.test("only a key that the root has signed, under its own id and not expired, is sealed to", async () => {
  for (const { name, key } of fleetKeys.good) {
    const checked = await checkedKey(key, root, fleetKeys.today);
    strictEqual(await keyIdOf(checked), key.key_id, name);
  }
  for (const { name, key } of fleetKeys.bad) {
    await rejects(checkedKey(key, root, fleetKeys.today), SealError, name);
  }
});

Deno.test("text that is no Unicode has no spelling", async () => {
  await rejects(() => Promise.resolve().then(() => canonical({ login: "\ud800" })), SealError);
});
