/** Group commit: what arrives while calls are under way goes together in the next one. */

interface Waiting<Q, A> {
  question: Q;
  resolve: (answer: A) => void;
  reject: (error: unknown) => void;
}

export class Gather<Q, A> {
  private readonly waiting: Waiting<Q, A>[] = [];
  private underWay = 0;

  /**
   * @param call  one call for up to `limit` questions; its answers in their order. `alone` = a second try, outside the
   *              lines, where it holds up nobody else and may wait
   * @param again whether the questions of a failed call may be tried alone: nothing of it was done
   */
  constructor(
    private readonly call: (questions: Q[], alone: boolean) => Promise<A[]>,
    private readonly again: (error: unknown, questions: number) => boolean,
    private readonly lines: number,
    private readonly limit: number,
  ) {}

  /** The answer to this question. Throws what the call threw. */
  ask(question: Q): Promise<A> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ question, resolve, reject });
      this.next();
    });
  }

  private next(): void {
    while (this.underWay < this.lines && this.waiting.length > 0) {
      this.underWay += 1;
      this.run(this.waiting.splice(0, this.limit)).finally(() => {
        this.underWay -= 1;
        this.next();
      });
    }
  }

  private async run(batch: Waiting<Q, A>[], alone = false): Promise<void> {
    try {
      const answers = await this.call(batch.map(({ question }) => question), alone);
      batch.forEach(({ resolve }, n) => resolve(answers[n]!));
    } catch (error) {
      if (alone || !this.again(error, batch.length)) {
        batch.forEach(({ reject }) => reject(error));
        return;
      }
      // One that cannot be done, or waits for a lock, must not take the others with it. The line does not wait for these: it
      // goes on with what has come in between.
      for (const each of batch) void this.run([each], true);
    }
  }
}
