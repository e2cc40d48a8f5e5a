/**
 * The two serialisations of the Realtime protocol. Version 1.0.0: JSON objects. Version 2.0.0: JSON arrays, and binary
 * frames for broadcasts (kind 3 from clients, kind 4 to them). Payloads of broadcasts pass as bytes, never parsed.
 */
import { parseJson } from "../rest/numbers.ts";

export type Version = 1 | 2;

/** A frame from a client. */
export interface Push {
  joinRef: string | null;
  ref: string | null;
  topic: string;
  event: string;
  payload: unknown;
  /** Set for kind 3: the bytes as they came. */
  broadcast?: { event: string; bytes: Uint8Array; binary: boolean };
}

/** A broadcast on its way to the members of a room. */
export interface Broadcast {
  /** Without the prefix `realtime:`. */
  topic: string;
  event: string;
  private: boolean;
  bytes: Uint8Array;
  binary: boolean;
  id?: string;
}

const PUSH = 0;
const USER_BROADCAST_PUSH = 3;
const USER_BROADCAST = 4;
const ENCODING_JSON = 1;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

export const PREFIX = "realtime:";

function text(value: unknown): string | null {
  return value === null || value === undefined ? null : String(value);
}

function asPush(
  joinRef: unknown,
  ref: unknown,
  topic: unknown,
  event: unknown,
  payload: unknown,
): Push | null {
  if (typeof topic !== "string" || typeof event !== "string") return null;
  return { joinRef: text(joinRef), ref: text(ref), topic, event, payload: payload ?? {} };
}

function decodeText(data: string): Push | null {
  const frame = parseJson(data);
  if (Array.isArray(frame)) return asPush(frame[0], frame[1], frame[2], frame[3], frame[4]);
  if (frame === null || typeof frame !== "object") return null;
  const { join_ref, ref, topic, event, payload } = frame as Record<string, unknown>;
  return asPush(join_ref, ref, topic, event, payload);
}

/** Cuts the strings whose lengths precede them. */
function strings(data: Uint8Array, lengths: number[], start: number): { values: string[]; end: number } {
  let at = start;
  const values = lengths.map((length) => decoder.decode(data.subarray(at, at += length)));
  if (at > data.length) throw new RangeError("frame shorter than its lengths");
  return { values, end: at };
}

function decodeBinary(data: Uint8Array): Push | null {
  if (data[0] === USER_BROADCAST_PUSH && data.length >= 7) {
    const { values, end } = strings(data, [...data.subarray(1, 6)], 7);
    const [joinRef, ref, topic, event] = values;
    const broadcast = { event, bytes: data.slice(end), binary: data[6] !== ENCODING_JSON };
    return { joinRef: joinRef || null, ref: ref || null, topic, event: "broadcast", payload: {}, broadcast };
  }
  if (data[0] === PUSH && data.length >= 5) {
    const { values, end } = strings(data, [...data.subarray(1, 5)], 5);
    const payload = parseJson(decoder.decode(data.subarray(end)));
    return asPush(values[0] || null, values[1] || null, values[2], values[3], payload);
  }
  return null;
}

/** The frame, or null when it is not one: such frames are dropped and the socket stays open. */
export function decode(data: string | ArrayBuffer): Push | null {
  try {
    return typeof data === "string" ? decodeText(data) : decodeBinary(new Uint8Array(data));
  } catch {
    return null;
  }
}

/** A reply or a push of the server. Version 1 never carries the join_ref and always the ref. */
export function encode(
  version: Version,
  topic: string,
  event: string,
  payload: unknown,
  ref: string | null = null,
  joinRef: string | null = null,
): string {
  return JSON.stringify(
    version === 2 ? [joinRef, ref, topic, event, payload] : { topic, event, payload, ref },
  );
}

function meta(message: Broadcast, replayed: boolean): string {
  if (message.id === undefined) return "";
  return JSON.stringify(replayed ? { replayed: true, id: message.id } : { id: message.id });
}

/** A broadcast as text, its payload spliced in verbatim; null for bytes that are no JSON. */
export function broadcastText(
  version: Version,
  message: Broadcast,
  replayed = false,
  joinRef: string | null = null,
): string | null {
  if (message.binary) return null;
  const about = meta(message, replayed);
  const payload = `{"type":"broadcast","event":${JSON.stringify(message.event)},"payload":` +
    decoder.decode(message.bytes) + (about ? `,"meta":${about}` : "") + "}";
  const topic = JSON.stringify(PREFIX + message.topic);
  return version === 2
    ? `[${JSON.stringify(joinRef)},null,${topic},"broadcast",${payload}]`
    : `{"topic":${topic},"event":"broadcast","payload":${payload},"ref":null}`;
}

/** A broadcast for version 2: kind 4, or text where a name is too long for it. */
export function broadcastBinary(message: Broadcast): Uint8Array<ArrayBuffer> | string | null {
  const parts = [PREFIX + message.topic, message.event, meta(message, false)].map((part) =>
    encoder.encode(part)
  );
  if (parts.some((part) => part.length > 255)) return broadcastText(2, message);
  const head = [USER_BROADCAST, ...parts.map((part) => part.length), message.binary ? 0 : ENCODING_JSON];
  const frame = new Uint8Array(head.length + parts.reduce((n, p) => n + p.length, 0) + message.bytes.length);
  let at = 0;
  for (const part of [Uint8Array.from(head), ...parts, message.bytes]) {
    frame.set(part, at);
    at += part.length;
  }
  return frame;
}
