/** Counts per key and window in bounded memory: what is not authenticated must not cost the database anything. */

interface Count {
  n: number;
  endsAt: number;
}

export class FloodGate {
  private readonly counts = new Map<string, Count>();

  /** More than `limit` of one key in `windowMs` is a flood; at most `maxKeys` keys are remembered. */
  constructor(
    private readonly limit: number,
    private readonly windowMs: number,
    private readonly maxKeys: number = 10_000,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** True while `key` is over its limit. */
  closed(key: string): boolean {
    const count = this.counts.get(key);
    return count !== undefined && count.endsAt > this.now() && count.n > this.limit;
  }

  /** Counts one more of `key`. */
  count(key: string): void {
    const now = this.now();
    const before = this.counts.get(key);
    const count = before !== undefined && before.endsAt > now
      ? before
      : { n: 0, endsAt: now + this.windowMs };
    count.n += 1;
    // Taken out and put back, so the map's first key is always the one unseen for longest.
    this.counts.delete(key);
    this.counts.set(key, count);
    if (this.counts.size > this.maxKeys) this.counts.delete(this.counts.keys().next().value!);
  }

  /** Seconds until `key` may try again. */
  retryAfter(key: string): number {
    const count = this.counts.get(key);
    return count === undefined ? 0 : Math.max(1, Math.ceil((count.endsAt - this.now()) / 1000));
  }
}
