import { deepStrictEqual, rejects, strictEqual, throws } from "node:assert/strict";
import { loadVectors } from "./payloads.ts";
import { decode, SealError } from "./sealing.ts";
import {
  type Address,
  checkedAddress,
  hintOf,
  infoOfTarget,
  type Kind,
  openAddress,
  sealAddress,
  type TargetBinding,
  TargetError,
} from "./targets.ts";

interface Targets {
  private_key: string;
  public_key: string;
  good: {
    name: string;
    binding: TargetBinding;
    info: string;
    values: Address;
    hint: string;
    sealed: string;
  }[];
  bad: { name: string; kind: string; values: Address; message: string }[];
}

const targets = loadVectors<Targets>("crypto/targets.json");
const privateKey = decode(targets.private_key);

Deno.test("an address opens for its row, whoever sealed it", async () => {
  for (const { name, binding, info, values, hint, sealed } of targets.good) {
    strictEqual(new TextDecoder().decode(infoOfTarget(binding)), info, name);
    deepStrictEqual(await openAddress(decode(sealed), binding, privateKey), values, name);
    strictEqual(hintOf(binding.kind as Kind, values), hint, name);
  }
});

Deno.test("an address opens for no other row", async () => {
  for (const { name, binding, sealed } of targets.good) {
    for (const column of ["user_id", "target_id", "kind", "key_id"]) {
      const other = { ...binding, [column]: "other" };
      await rejects(openAddress(decode(sealed), other, privateKey), SealError, `${name}, ${column}`);
    }
  }
});

Deno.test("what is sealed here opens here", async () => {
  for (const { name, binding, values } of targets.good) {
    const sealed = await sealAddress(values, binding, decode(targets.public_key));
    deepStrictEqual(await openAddress(sealed, binding, privateKey), values, name);
  }
});

Deno.test("what is no address is refused with the same sentence", () => {
  for (const { name, kind, values, message } of targets.bad) {
    throws(() => checkedAddress(kind, values), new TargetError(message), name);
  }
});
