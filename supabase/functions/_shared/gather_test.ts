import { deepStrictEqual, rejects } from "node:assert/strict";
import { Gather } from "./gather.ts";

/** A call whose end the test decides. */
class Calls {
  readonly made: number[][] = [];
  private readonly ends: (() => void)[] = [];

  readonly call = async (questions: number[]): Promise<number[]> => {
    this.made.push(questions);
    await new Promise<void>((resolve) => this.ends.push(resolve));
    if (questions.includes(13) && questions.length > 1) throw new Error("rolled back");
    if (questions.includes(13)) throw new Error("cannot be done");
    return questions.map((each) => each * 10);
  };

  async end(): Promise<void> {
    this.ends.shift()!();
    for (let n = 0; n < 10; n++) await Promise.resolve();
  }
}

Deno.test("the first goes at once, what comes meanwhile goes together, at most `limit` of it", async () => {
  const calls = new Calls();
  const gather = new Gather(calls.call, () => true, 1, 3);
  const answers = [1, 2, 3, 4, 5].map((each) => gather.ask(each));
  deepStrictEqual(calls.made, [[1]]);
  await calls.end();
  deepStrictEqual(calls.made, [[1], [2, 3, 4]]);
  await calls.end();
  await calls.end();
  deepStrictEqual(await Promise.all(answers), [10, 20, 30, 40, 50]);
});

Deno.test("when a call for several was rolled back, each is asked alone and only the bad one fails", async () => {
  const calls = new Calls();
  const gather = new Gather(calls.call, (error) => (error as Error).message === "rolled back", 1, 8);
  const first = gather.ask(1);
  const rest = [2, 13, 4].map((each) => gather.ask(each));
  const bad = rejects(rest[1]!, { message: "cannot be done" });
  await calls.end();
  await calls.end();
  deepStrictEqual(calls.made, [[1], [2, 13, 4], [2], [13], [4]]);
  for (let n = 0; n < 3; n++) await calls.end();
  await bad;
  deepStrictEqual(await Promise.all([first, rest[0], rest[2]]), [10, 20, 40]);
});

Deno.test("when it is not known whether a call was done, nothing is asked again", async () => {
  const calls = new Calls();
  const gather = new Gather(calls.call, () => false, 1, 8);
  const first = gather.ask(1);
  const rest = [13, 4].map((each) => gather.ask(each));
  const failed = Promise.all(rest.map((each) => rejects(each, { message: "rolled back" })));
  await calls.end();
  await calls.end();
  await failed;
  deepStrictEqual(await first, 10);
  deepStrictEqual(calls.made, [[1], [13, 4]]);
});
