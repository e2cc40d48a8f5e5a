/** Test data shared with Python: tests/payloads at the root of the project. For tests only. */

const PAYLOADS = new URL("../../../tests/payloads/", import.meta.url);

export interface AlertVector {
  name: string;
  body?: string;
  body_base64?: string;
  expect: "accepted" | "unreadable" | "invalid";
  paths: string[];
}

export function loadVectors<T>(path: string): T {
  return JSON.parse(Deno.readTextFileSync(new URL(path, PAYLOADS))) as T;
}

export function bytesOf({ body, body_base64 }: AlertVector): Uint8Array {
  if (body_base64 === undefined) return new TextEncoder().encode(body);
  return Uint8Array.from(atob(body_base64), (character) => character.charCodeAt(0));
}
