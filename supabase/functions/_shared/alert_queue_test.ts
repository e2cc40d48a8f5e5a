import { deepStrictEqual, rejects, strictEqual } from "node:assert/strict";
import { AlertQueue, Late, type QueueLimits, RolledBack } from "./alert_queue.ts";

interface Statement {
  texts: string[];
  answer(): void;
  fail(error: Error): void;
}

/** A queue over statements that the test answers when it likes; an answer is the alert's text in capitals. */
function queue(limits: Partial<QueueLimits> = {}) {
  const statements: Statement[] = [];
  let late = 0;
  const alerts = new AlertQueue<string>(
    (texts) => {
      const { promise, resolve, reject } = Promise.withResolvers<string[]>();
      const answer = () => resolve(texts.map((text) => text.toUpperCase()));
      statements.push({ texts, answer, fail: reject });
      return promise;
    },
    () => void (late += 1),
    { slowMs: 60_000, deadlineMs: 60_000, aloneMs: 60_000, ...limits },
  );
  return { alerts, statements, written: () => statements.map(({ texts }) => texts), late: () => late };
}

/** Everything that is ready to go on has gone on. */
async function settled(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve();
}

/** Waits until `condition` holds, at most a minute. */
async function until(condition: () => boolean): Promise<void> {
  const end = Date.now() + 60_000;
  while (!condition()) {
    if (Date.now() > end) throw new Error("not in time");
    await new Promise((resume) => setTimeout(resume, 1));
  }
}

/** Ages are what the test says: nothing gets older while it is written down. The queue's timer goes on. */
function standing() {
  const real = performance.now;
  let now = real.call(performance);
  performance.now = () => now;
  return { pass: (ms: number) => void (now += ms), [Symbol.dispose]: () => void (performance.now = real) };
}

async function answerAll(statements: Statement[], from = 0): Promise<void> {
  for (let i = from; i < statements.length; i++) {
    statements[i]!.answer();
    await settled();
  }
}

Deno.test("while there is room an alert is written at once and alone", async () => {
  const { alerts, statements, written } = queue({ young: 2 });
  const answers = [alerts.put("a", "1"), alerts.put("b", "2")];
  deepStrictEqual(written(), [["a"], ["b"]]);
  await answerAll(statements);
  deepStrictEqual(await Promise.all(answers), ["A", "B"]);
});

Deno.test("what arrives while all statements are under way is written together by the next", async () => {
  const { alerts, statements, written } = queue({ young: 2, batch: 3 });
  const answers = ["a", "b", "c", "d", "e", "f"].map((text) => alerts.put(text, text));
  deepStrictEqual(written(), [["a"], ["b"]]);
  statements[1]!.answer();
  await settled();
  deepStrictEqual(written(), [["a"], ["b"], ["c", "d", "e"]]);
  await answerAll(statements);
  deepStrictEqual(written().at(-1), ["f"]);
  deepStrictEqual(await Promise.all(answers), ["A", "B", "C", "D", "E", "F"]);
});

Deno.test("alerts of one line never overtake one another and never run beside one another", async () => {
  const { alerts, statements, written } = queue({ young: 3 });
  const answers = [
    alerts.put("a1", "a"),
    alerts.put("a2", "a"),
    alerts.put("a3", "a"),
    alerts.put("b1", "b"),
  ];
  deepStrictEqual(written(), [["a1"], ["b1"]]);
  await answerAll(statements);
  deepStrictEqual(written(), [["a1"], ["b1"], ["a2", "a3"]]);
  deepStrictEqual(await Promise.all(answers), ["A1", "A2", "A3", "B1"]);
});

Deno.test("a batch that was rolled back is written one by one, and only what is wrong fails", async () => {
  const { alerts, statements, written } = queue({ young: 1 });
  const first = alerts.put("x", "x");
  const answers = ["a1", "b1", "a2"].map((text) => alerts.put(text, text[0]!));
  statements[0]!.answer();
  await first;
  await settled();
  deepStrictEqual(written()[1], ["a1", "a2", "b1"]);
  statements[1]!.fail(new RolledBack("55P03"));
  for (let i = 2; i < 5; i++) {
    await settled();
    if (statements[i]!.texts[0] === "b1") statements[i]!.fail(new RolledBack("22P02"));
    else statements[i]!.answer();
  }
  deepStrictEqual(written().slice(2).toSorted(), [["a1"], ["a2"], ["b1"]]);
  strictEqual(
    written().findIndex(([text]) => text === "a1") < written().findIndex(([t]) => t === "a2"),
    true,
  );
  deepStrictEqual(await Promise.allSettled(answers).then((all) => all.map(({ status }) => status)), [
    "fulfilled",
    "rejected",
    "fulfilled",
  ]);
});

Deno.test("a batch whose connection was lost fails whole: nobody knows what became of it", async () => {
  const { alerts, statements, written } = queue({ young: 1 });
  const answers = ["x", "a", "b"].map((text) => alerts.put(text, text));
  statements[0]!.answer();
  await settled();
  statements[1]!.fail(new Error("connection lost"));
  await rejects(answers[1]!, /connection lost/);
  await rejects(answers[2]!, /connection lost/);
  strictEqual(written().length, 2);
  strictEqual(await answers[0], "X");
});

Deno.test("a statement that waits for something lets the lines of others pass", async () => {
  const { alerts, statements, written } = queue({ young: 1, statements: 3, slowMs: 5 });
  const held = alerts.put("held", "h");
  const [behind, free] = [alerts.put("behind", "h"), alerts.put("free", "f")];
  await until(() => statements.length === 2);
  deepStrictEqual(written(), [["held"], ["free"]]);
  statements[1]!.answer();
  strictEqual(await free, "FREE");
  strictEqual(statements.length, 2);
  statements[0]!.answer();
  await until(() => statements.length === 3);
  statements[2]!.answer();
  deepStrictEqual(await Promise.all([held, behind]), ["HELD", "BEHIND"]);
});

Deno.test("without an answer in time an alert is given up, under way or not, and the queue goes on", async () => {
  using clock = standing();
  const { alerts, statements, written, late } = queue({ young: 1, statements: 1, deadlineMs: 30 });
  const given = Promise.all([rejects(alerts.put("a", "a"), Late), rejects(alerts.put("b", "b"), Late)]);
  clock.pass(31);
  await until(() => late() === 1);
  await given;
  deepStrictEqual(written(), [["a"]]);
  const next = alerts.put("c", "a");
  statements[0]!.answer();
  statements[1]!.answer();
  strictEqual(await next, "C");
});

Deno.test("a flood in one line leaves room for the others", async () => {
  const { alerts, statements } = queue({ waitingInLine: 1 });
  const answers = [alerts.put("a", "a"), alerts.put("b", "a")];
  await rejects(alerts.put("c", "a"), Late);
  answers.push(alerts.put("d", "d"));
  await answerAll(statements);
  deepStrictEqual(await Promise.all(answers), ["A", "B", "D"]);
});

Deno.test("more than may wait is refused at once, and room comes back", async () => {
  const { alerts, statements } = queue({ waiting: 2 });
  const answers = [alerts.put("a", "a"), alerts.put("b", "a")];
  await rejects(alerts.put("c", "c"), Late);
  await answerAll(statements);
  deepStrictEqual(await Promise.all(answers), ["A", "B"]);
  const again = alerts.put("c", "c");
  await answerAll(statements, 2);
  strictEqual(await again, "C");
});
