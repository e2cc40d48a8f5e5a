/** One joined topic of one socket: what it may do, until when, and what it has been sent. */
import type { Claims } from "../keys.ts";
import { type Broadcast, broadcastText, encode, PREFIX, type Version } from "./frames.ts";

export type Frame = string | Uint8Array<ArrayBuffer>;

/** setTimeout overflows beyond 24 days, and clocks are set: look again at least this often. */
const RECHECK_MS = 300_000;

export interface ChannelOptions {
  name: string;
  joinRef: string | null;
  private: boolean;
  self: boolean;
  ack: boolean;
  version: Version;
  claims: Claims;
  token: string | null;
  send: (frame: Frame) => void;
  /** Called once, `seconds` after the token expired. */
  onExpired: (channel: Channel, seconds: number) => void;
}

export class Channel {
  readonly name: string;
  readonly joinRef: string | null;
  readonly private: boolean;
  readonly self: boolean;
  readonly ack: boolean;
  readonly version: Version;
  claims: Claims;
  token: string | null;
  /** Answer of the insert policy; asked at the first broadcast, forgotten with each new token. */
  mayWrite: boolean | null = null;
  readonly #send: (frame: Frame) => void;
  readonly #onExpired: (channel: Channel, seconds: number) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Frames that came between entering the room and the reply to the join. */
  #waiting: { frame: Frame; id?: string }[] | null = [];
  /** Replayed messages whose live copy has not come by: the stream may be behind the table. */
  #replayed = new Set<string>();

  constructor(options: ChannelOptions) {
    this.name = options.name;
    this.joinRef = options.joinRef;
    this.private = options.private;
    this.self = options.self;
    this.ack = options.ack;
    this.version = options.version;
    this.claims = options.claims;
    this.token = options.token;
    this.#send = options.send;
    this.#onExpired = options.onExpired;
    this.#watchExpiry();
  }

  get topic(): string {
    return PREFIX + this.name;
  }

  /** A live broadcast. Held back until the join is answered. */
  receive(frame: Frame, id?: string): void {
    if (this.#waiting) this.#waiting.push({ frame, id });
    else if (id === undefined || !this.#replayed.delete(id)) this.#send(frame);
  }

  /** The join has been answered: replayed messages first, then what came meanwhile, nothing twice. */
  open(replayed: Broadcast[]): void {
    for (const message of replayed) {
      if (message.id !== undefined) this.#replayed.add(message.id);
      const frame = broadcastText(this.version, message, true, this.joinRef);
      if (frame !== null) this.#send(frame);
    }
    const waiting = this.#waiting ?? [];
    this.#waiting = null;
    for (const { frame, id } of waiting) this.receive(frame, id);
  }

  /** New claims for an open channel: permissions are asked again. */
  renew(claims: Claims, token: string): void {
    this.claims = claims;
    this.token = token;
    this.mayWrite = null;
    this.#watchExpiry();
  }

  push(event: string, payload: unknown, ref: string | null = null): void {
    this.#send(encode(this.version, this.topic, event, payload, ref, this.joinRef));
  }

  system(status: "ok" | "error", message: string, extension: "system" | "postgres_changes" = "system"): void {
    this.push("system", { extension, status, message, channel: this.name });
  }

  /** Stops the expiry watch; the channel is no longer used. */
  dispose(): void {
    clearTimeout(this.#timer);
  }

  #watchExpiry(): void {
    clearTimeout(this.#timer);
    const { exp } = this.claims;
    if (exp === undefined) return;
    const left = exp * 1000 - Date.now();
    this.#timer = setTimeout(() => {
      if (Date.now() < exp * 1000) return this.#watchExpiry();
      this.#onExpired(this, Math.max(0, Math.floor(Date.now() / 1000) - exp));
    }, Math.max(0, Math.min(left, RECHECK_MS)));
  }
}
