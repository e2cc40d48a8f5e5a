/** The payload of phx_join, read with the tolerance of the real server: odd values fall back to defaults. */
import { PREFIX } from "./frames.ts";

export interface JoinRequest {
  private: boolean;
  ack: boolean;
  self: boolean;
  replay: { since: number; limit: number } | null;
  /** True when `replay` was asked for in a way that cannot be answered. */
  replayInvalid: boolean;
  replicationReady: boolean;
  postgresChanges: Record<string, unknown>[];
  accessToken: string | null;
}

const REPLAY_LIMIT = 25;

function record(value: unknown): Record<string, unknown> {
  return value !== null && typeof value === "object" && !Array.isArray(value)
    ? value as Record<string, unknown>
    : {};
}

function flag(value: unknown): boolean {
  return value === true || value === "true";
}

function replayOf(value: unknown): JoinRequest["replay"] {
  const { since, limit = REPLAY_LIMIT } = record(value);
  if (!Number.isInteger(since) || !Number.isInteger(limit)) return null;
  return { since: since as number, limit: Math.min(Math.max(limit as number, 1), REPLAY_LIMIT) };
}

/** What a client asks for when it joins. */
export function readJoin(payload: unknown): JoinRequest {
  const body = record(payload);
  const config = record(body.config);
  const broadcast = record(config.broadcast);
  const wantsReplay = broadcast.replay !== undefined && broadcast.replay !== null;
  const replay = wantsReplay ? replayOf(broadcast.replay) : null;
  const token = body.user_token ?? body.access_token;
  return {
    private: flag(config.private),
    ack: flag(broadcast.ack),
    self: flag(broadcast.self),
    replay,
    replayInvalid: wantsReplay && replay === null,
    replicationReady: flag(broadcast.replication_ready),
    postgresChanges: Array.isArray(config.postgres_changes) ? config.postgres_changes.map(record) : [],
    accessToken: typeof token === "string" ? token : null,
  };
}

/** The channel's name, or null for a topic that is none of ours. */
export function nameOf(topic: string): string | null {
  return topic.startsWith(PREFIX) ? topic.slice(PREFIX.length) : null;
}
