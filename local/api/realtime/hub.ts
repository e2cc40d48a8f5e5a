/** Rooms and fan-out. A private and a public channel of one name are two rooms. */
import { type Broadcast, broadcastBinary, broadcastText } from "./frames.ts";
import type { Channel } from "./channel.ts";

function roomKey(topic: string, isPrivate: boolean): string {
  return (isPrivate ? "p:" : "o:") + topic;
}

export class Hub {
  readonly #rooms = new Map<string, Set<Channel>>();
  readonly channels = new Set<Channel>();

  enter(channel: Channel): void {
    const key = roomKey(channel.name, channel.private);
    const room = this.#rooms.get(key) ?? new Set();
    room.add(channel);
    this.#rooms.set(key, room);
    this.channels.add(channel);
  }

  leave(channel: Channel): void {
    const key = roomKey(channel.name, channel.private);
    const room = this.#rooms.get(key);
    room?.delete(channel);
    if (room?.size === 0) this.#rooms.delete(key);
    this.channels.delete(channel);
  }

  /** Whether anybody is in a room of this name. */
  hears(topic: string): boolean {
    return this.#rooms.has(roomKey(topic, true)) || this.#rooms.has(roomKey(topic, false));
  }

  /** Sends to everyone in the room but `sender`. Each serialisation is made once, however many sockets there are. */
  deliver(message: Broadcast, sender?: Channel): void {
    const room = this.#rooms.get(roomKey(message.topic, message.private));
    if (!room) return;
    let v1: string | null | undefined;
    let v2: Uint8Array<ArrayBuffer> | string | null | undefined;
    for (const channel of [...room]) {
      if (channel === sender && !channel.self) continue;
      const frame = channel.version === 2
        ? (v2 ??= broadcastBinary(message))
        : (v1 ??= broadcastText(1, message));
      if (frame !== null) channel.receive(frame, message.id);
    }
  }
}
