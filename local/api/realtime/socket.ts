/** One websocket: its channels and the order of its messages. */
import { type Claims, TokenError, type Tokens } from "../keys.ts";
import { failure, log } from "../log.ts";
import type { Authorizer } from "./authorize.ts";
import { Channel, type Frame } from "./channel.ts";
import { type Broadcast, decode, encode, type Push, type Version } from "./frames.ts";
import type { Hub } from "./hub.ts";
import { type JoinRequest, nameOf, readJoin } from "./join.ts";

const MAX_FRAME_BYTES = 5_000_000;
const MAX_CHANNELS = 100;
/** A client that reads slower than we write is cut off; it reconnects and refetches. */
const MAX_BUFFERED_BYTES = 4_000_000;
/** Frames that wait behind a join; a client that sends more is flooding. */
const MAX_PENDING = 200;

export interface SocketServices {
  tokens: Tokens;
  authorizer: Authorizer;
  hub: Hub;
  privateOnly: boolean;
  /** False while nothing could be delivered: joins are put off. */
  ready: () => Promise<boolean>;
  replay: (topic: string, since: number, limit: number) => Promise<Broadcast[]>;
}

/** A join or a token that is refused, with the reason the protocol gives. */
class Refused extends Error {}

const encoder = new TextEncoder();

function sizeOf(data: string | ArrayBuffer): number {
  return typeof data === "string" ? data.length : data.byteLength;
}

function unreadable(topic: string): string {
  return `You do not have permissions to read from this Channel topic: ${topic}`;
}

/** What a refused token is called, without the code that precedes it in a join reply. */
function tokenMessage(error: TokenError): { code: string; message: string } {
  switch (error.fault) {
    case "expired": {
      const ago = Math.max(0, Math.floor(Date.now() / 1000) - (error.expiredAt ?? 0));
      return { code: "InvalidJWTToken", message: `Token has expired ${ago} seconds ago` };
    }
    case "claims":
      return { code: "InvalidJWTToken", message: "Fields `role` and `exp` are required in JWT" };
    case "signature":
      return { code: "JwtSignatureError", message: "Failed to validate JWT signature" };
    default:
      return { code: "MalformedJWT", message: "The token provided is not a valid JWT" };
  }
}

export class Socket {
  readonly #channels = new Map<string, Channel>();
  #queue: Promise<void> = Promise.resolve();
  #pending = 0;
  #open = true;

  constructor(
    private readonly ws: WebSocket,
    private readonly version: Version,
    private readonly claims: Claims,
    private readonly services: SocketServices,
  ) {}

  /** Takes a frame. Frames are handled one after the other: what follows a join sees its outcome. */
  accept(data: string | ArrayBuffer): void {
    if (sizeOf(data) > MAX_FRAME_BYTES) return this.close(1009, "frame too big");
    if (++this.#pending > MAX_PENDING) return this.close(1008, "too many messages");
    const push = decode(data);
    this.#queue = this.#queue
      .then(() => push && this.#open ? this.#handle(push) : undefined)
      .catch((error) => log("realtime_message_failed", failure(error)))
      .finally(() => this.#pending--);
  }

  close(code: number, reason: string): void {
    this.dispose();
    if (this.ws.readyState === WebSocket.OPEN) this.ws.close(code, reason);
  }

  /** The connection is gone: its channels leave their rooms. */
  dispose(): void {
    this.#open = false;
    for (const channel of [...this.#channels.values()]) this.#drop(channel);
  }

  /** Tells every channel that it may have missed something; the clients join again and refetch. */
  interrupt(message: string): void {
    for (const channel of [...this.#channels.values()]) {
      channel.system("error", message);
      channel.push("phx_error", { reason: message }, channel.joinRef);
      this.#drop(channel);
    }
  }

  /** The server goes away. */
  shutdown(): void {
    for (const channel of this.#channels.values()) channel.system("ok", "Server requested disconnect");
    this.close(1012, "service restart");
  }

  #send(frame: Frame): void {
    if (this.ws.readyState !== WebSocket.OPEN) return;
    if (this.ws.bufferedAmount > MAX_BUFFERED_BYTES) {
      log("realtime_slow_socket");
      return this.close(1013, "too slow");
    }
    this.ws.send(frame);
  }

  #reply(push: Push, status: "ok" | "error", response: unknown = {}): void {
    this.#send(encode(this.version, push.topic, "phx_reply", { status, response }, push.ref, push.joinRef));
  }

  async #handle(push: Push): Promise<void> {
    if (push.topic === "phoenix") {
      if (push.event === "heartbeat") this.#reply(push, "ok");
      return;
    }
    if (push.event === "phx_join") return await this.#join(push);
    const channel = this.#channels.get(push.topic);
    if (push.event === "phx_leave") return this.#leave(push, channel);
    if (!channel) return this.#reply(push, "error", { reason: "unmatched topic" });
    if (push.joinRef !== null && push.joinRef !== channel.joinRef) return;
    switch (push.event) {
      case "access_token":
        return await this.#renew(channel, push);
      case "broadcast":
        return await this.#broadcast(channel, push);
      case "presence":
        return this.#reply(push, "error", { reason: "presence is not enabled" });
    }
  }

  async #join(push: Push): Promise<void> {
    const old = this.#channels.get(push.topic);
    if (old) this.#finish(old);
    const request = readJoin(push.payload);
    let channel: Channel | null = null;
    try {
      channel = await this.#admit(push, request);
      const replayed = request.replay ? await this.#replay(channel, request.replay) : [];
      if (!this.#open) return this.#drop(channel);
      this.#channels.set(push.topic, channel);
      const changes = request.postgresChanges.map((wanted, index) => ({ ...wanted, id: index + 1 }));
      this.#reply(push, "ok", { postgres_changes: changes });
      channel.open(replayed);
      if (request.replicationReady) channel.system("ok", "Replication connection established");
      for (const wanted of request.postgresChanges) refuseChanges(channel, wanted);
    } catch (error) {
      if (channel) this.#drop(channel);
      if (!(error instanceof Refused)) log("realtime_join_failed", failure(error));
      this.#reply(push, "error", {
        reason: error instanceof Refused ? error.message : "Unknown Error on Channel",
      });
    }
  }

  /** The channel, in its room but not open yet; or Refused. */
  async #admit(push: Push, request: JoinRequest): Promise<Channel> {
    const name = nameOf(push.topic);
    if (name === null) throw new Refused("unmatched topic");
    if (name === "") throw new Refused("TopicNameRequired: You must provide a topic name");
    if (this.#channels.size >= MAX_CHANNELS) throw new Refused("ChannelRateLimitReached: Too many channels");
    if (!await this.services.ready()) {
      throw new Refused("RealtimeRestarting: Realtime is restarting, please standby");
    }
    const claims = await this.#claimsOf(request.accessToken);
    if (!request.private && this.services.privateOnly) {
      throw new Refused("PrivateOnly: This project only allows private channels");
    }
    if (request.replay && !request.private) {
      throw new Refused("UnableToReplayMessages: Replay is not allowed for public channels");
    }
    if (request.replayInvalid) throw new Refused("UnableToReplayMessages: Replay params are not valid");
    const channel = this.#channel(push, request, name, claims);
    this.services.hub.enter(channel);
    if (request.private && !await this.services.authorizer.mayRead(claims, name)) {
      this.#drop(channel);
      throw new Refused(`Unauthorized: ${unreadable(name)}`);
    }
    return channel;
  }

  #channel(push: Push, request: JoinRequest, name: string, claims: Claims): Channel {
    return new Channel({
      name,
      claims,
      joinRef: push.joinRef,
      private: request.private,
      self: request.self,
      ack: request.ack,
      version: this.version,
      token: request.accessToken,
      send: (frame) => this.#send(frame),
      onExpired: (channel, ago) => this.#expel(channel, `Token has expired ${ago} seconds ago`),
    });
  }

  /** The connection's own claims unless a token is given; opaque keys are no tokens. */
  async #claimsOf(token: string | null): Promise<Claims> {
    if (token === null || token.startsWith("sb_")) return this.claims;
    try {
      return await verified(this.services.tokens, token);
    } catch (error) {
      if (!(error instanceof TokenError)) throw error;
      const { code, message } = tokenMessage(error);
      throw new Refused(`${code}: ${message}`);
    }
  }

  async #replay(channel: Channel, { since, limit }: { since: number; limit: number }): Promise<Broadcast[]> {
    try {
      return await this.services.replay(channel.name, since, limit);
    } catch (error) {
      log("realtime_replay_failed", failure(error));
      throw new Refused("UnableToReplayMessages: Realtime was unable to replay messages");
    }
  }

  async #renew(channel: Channel, push: Push): Promise<void> {
    const token = (push.payload as { access_token?: unknown }).access_token;
    if (typeof token !== "string" || token.startsWith("sb_") || token === channel.token) return;
    try {
      const claims = await verified(this.services.tokens, token);
      if (channel.private && !await this.services.authorizer.mayRead(claims, channel.name)) {
        return this.#expel(channel, unreadable(channel.name));
      }
      if (this.#channels.get(channel.topic) === channel) channel.renew(claims, token);
    } catch (error) {
      if (!(error instanceof TokenError)) throw error;
      this.#expel(channel, tokenMessage(error).message);
    }
  }

  async #broadcast(channel: Channel, push: Push): Promise<void> {
    const message = broadcastOf(channel, push);
    if (!message) return;
    if (channel.private) {
      channel.mayWrite ??= await this.services.authorizer.mayWrite(channel.claims, channel.name);
      // Silence, as upstream: whoever may not send learns nothing, not even with ack.
      if (!channel.mayWrite) return;
    }
    this.services.hub.deliver(message, channel);
    if (channel.ack) this.#reply(push, "ok");
  }

  #leave(push: Push, channel: Channel | undefined): void {
    this.#reply(push, "ok");
    if (channel && (push.joinRef === null || push.joinRef === channel.joinRef)) this.#finish(channel);
  }

  #expel(channel: Channel, message: string): void {
    channel.system("error", message);
    this.#finish(channel);
  }

  #finish(channel: Channel): void {
    channel.push("phx_close", {}, channel.joinRef);
    this.#drop(channel);
  }

  #drop(channel: Channel): void {
    channel.dispose();
    this.services.hub.leave(channel);
    if (this.#channels.get(channel.topic) === channel) this.#channels.delete(channel.topic);
  }
}

async function verified(tokens: Tokens, token: string): Promise<Claims> {
  const claims = await tokens.verify(token);
  if (typeof claims.exp !== "number") throw new TokenError("claims", "exp is required");
  return claims;
}

/** What a client sends to its room; null for a push without an event. */
function broadcastOf(channel: Channel, push: Push): Broadcast | null {
  const base = { topic: channel.name, private: channel.private };
  if (push.broadcast) return { ...base, ...push.broadcast };
  const { event, payload } = push.payload as { event?: unknown; payload?: unknown };
  if (typeof event !== "string") return null;
  return { ...base, event, bytes: encoder.encode(JSON.stringify(payload ?? {})), binary: false };
}

/** postgres_changes is not served (see README.md); upstream's words for a table it cannot watch. */
function refuseChanges(channel: Channel, wanted: Record<string, unknown>): void {
  const about = ["event", "schema", "table"].map((key) => `${key}: ${wanted[key] ?? "*"}`).join(", ");
  const message = "Unable to subscribe to changes with given parameters. " +
    `Please check Realtime is enabled for the given connect parameters: [${about}]`;
  channel.system("error", message, "postgres_changes");
}
