/**
 * Alerts on their way into the database: written at once while there is room, together when more arrive than
 * statements are free. One line per endpoint: its alerts are written in the order of their arrival, and one that
 * waits for its account's lock holds up its own line only.
 */

/** Writes arguments of engine.ingest and returns their answers in the same order. Throws on anything but success. */
export type Write<Answer> = (argumentTexts: string[]) => Promise<Answer[]>;

export interface QueueLimits {
  /** Statements under way at most. */
  statements: number;
  /** Of them, those that may be expected back at any moment. Beyond this, alerts gather into batches. */
  young: number;
  /** From this age (ms) on a statement waits for something, and no longer keeps others from starting. */
  slowMs: number;
  /** Alerts in one statement at most. */
  batch: number;
  /** Alerts that wait or are under way at most. */
  waiting: number;
  /** Alerts of one line that wait at most: a flood at one endpoint leaves room for the others. */
  waitingInLine: number;
  /** An alert without an answer after this time (ms) gets Late. */
  deadlineMs: number;
  /** How long (ms) alerts go one by one after a batch was rolled back. */
  aloneMs: number;
}

export const LIMITS: QueueLimits = {
  // Each session holds 12 MB in Postgres.
  statements: 5,
  // One statement for three alerts costs little more than one for one alert.
  young: 1,
  slowMs: 30,
  batch: 64,
  waiting: 4_096,
  waitingInLine: 2_048,
  // TradingView waits 3 s, and resends after a 503 only. The role's statement_timeout (2.5 s) comes first.
  deadlineMs: 2_700,
  aloneMs: 1_000,
};

const SWEEP_MS = 20;

/** There is no answer in time: the alert may have been written or not. */
export class Late extends Error {}

/** What Write throws when the database itself said that nothing of the statement was written. */
export class RolledBack extends Error {}

interface Item<Answer> {
  argument: string;
  line: Line<Answer>;
  since: number;
  resolve: (answer: Answer) => void;
  reject: (error: unknown) => void;
}

interface Line<Answer> {
  name: string;
  items: Item<Answer>[];
}

interface Statement<Answer> {
  since: number;
  items: Item<Answer>[];
  lines: Line<Answer>[];
}

export class AlertQueue<Answer> {
  private readonly limits: QueueLimits;
  private readonly lines = new Map<string, Line<Answer>>();
  // Lines with something to write and nothing under way; the one that waits longest first.
  private ready: Line<Answer>[] = [];
  private readonly running = new Set<Statement<Answer>>();
  private size = 0;
  private aloneUntil = -Infinity;
  private timer: ReturnType<typeof setInterval> | undefined;

  /** `onLate` is told of a statement that is not answered in time: its connection cannot be trusted any more. */
  constructor(
    private readonly write: Write<Answer>,
    private readonly onLate: () => void = () => {},
    limits: Partial<QueueLimits> = {},
  ) {
    this.limits = { ...LIMITS, ...limits };
  }

  /** The answer to one alert of the line `name`. Rejects with what `write` threw, or with Late. */
  put(argument: string, name: string): Promise<Answer> {
    if (this.size >= this.limits.waiting) {
      return Promise.reject(new Late("too many alerts wait for the database"));
    }
    const line = this.lines.get(name) ?? this.open(name);
    if (line.items.length >= this.limits.waitingInLine) {
      return Promise.reject(new Late("too many alerts of this endpoint wait"));
    }
    this.size += 1;
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    line.items.push({ argument, line, since: performance.now(), resolve, reject });
    this.pump();
    return promise;
  }

  private open(name: string): Line<Answer> {
    const line = { name, items: [] };
    this.lines.set(name, line);
    this.ready.push(line);
    return line;
  }

  private pump(): void {
    while (this.ready.length > 0 && this.hasRoom()) void this.run(this.next());
    if (this.size > 0) this.timer ??= setInterval(() => this.sweep(), SWEEP_MS);
  }

  private hasRoom(): boolean {
    const { statements, young, slowMs } = this.limits;
    if (this.running.size < young) return true;
    if (this.running.size >= statements) return false;
    const slow = performance.now() - slowMs;
    return [...this.running].filter(({ since }) => since > slow).length < young;
  }

  private next(): Statement<Answer> {
    const now = performance.now();
    const most = now < this.aloneUntil ? 1 : this.limits.batch;
    const statement: Statement<Answer> = { since: now, items: [], lines: [] };
    while (this.ready.length > 0 && statement.items.length < most) {
      const line = this.ready.shift()!;
      statement.items.push(...line.items.splice(0, most - statement.items.length));
      statement.lines.push(line);
    }
    return statement;
  }

  private async run(statement: Statement<Answer>): Promise<void> {
    this.running.add(statement);
    const { items } = statement;
    try {
      const answers = await this.write(items.map(({ argument }) => argument));
      items.forEach(({ resolve }, i) => resolve(answers[i]!));
      this.end(statement);
    } catch (error) {
      if (error instanceof RolledBack && items.length > 1) {
        this.separate(statement);
      } else {
        items.forEach(({ reject }) => reject(error));
        this.end(statement);
      }
    }
    this.pump();
  }

  /** One of a batch cannot be written, or not now. Nothing was written: each goes alone, in its old place. */
  private separate(statement: Statement<Answer>): void {
    if (!this.running.has(statement)) return;
    this.aloneUntil = performance.now() + this.limits.aloneMs;
    for (const item of statement.items.toReversed()) item.line.items.unshift(item);
    this.size += statement.items.length;
    this.end(statement);
  }

  private end(statement: Statement<Answer>): void {
    if (!this.running.delete(statement)) return;
    this.size -= statement.items.length;
    for (const line of statement.lines) {
      if (line.items.length > 0) this.ready.push(line);
      else this.lines.delete(line.name);
    }
    if (this.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }

  /** Gives up what is too old, wherever it is, and lets others pass a statement that has become slow. */
  private sweep(): void {
    const oldest = performance.now() - this.limits.deadlineMs;
    for (const statement of this.running) {
      for (const { since, reject } of statement.items) {
        if (since < oldest) reject(new Late("no answer in time"));
      }
      if (statement.since >= oldest) continue;
      this.end(statement);
      this.onLate();
    }
    for (const line of this.lines.values()) {
      for (; line.items.length > 0 && line.items[0]!.since < oldest; this.size -= 1) {
        line.items.shift()!.reject(new Late("no answer in time"));
      }
    }
    this.forgetEmptyLines();
    this.pump();
  }

  private forgetEmptyLines(): void {
    for (const line of this.ready) if (line.items.length === 0) this.lines.delete(line.name);
    this.ready = this.ready.filter(({ items }) => items.length > 0);
  }
}
