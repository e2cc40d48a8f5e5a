/** The edge's validator as a process: one body a line (base64) in, one line [verdict, paths] out. */
import { judge } from "../../supabase/functions/_shared/alert.ts";
import { decode } from "../../supabase/functions/_shared/body.ts";

function verdict(line: string): [string, string[]] {
  const { text, valid } = decode(Uint8Array.from(atob(line), (character) => character.charCodeAt(0)));
  if (!valid) return ["unreadable", ["$"]];
  const { problems } = judge(text);
  if (problems.length === 0) return ["accepted", []];
  const unreadable = problems.some(({ code }) => code === "unreadable");
  return [unreadable ? "unreadable" : "invalid", problems.map(({ path }) => path)];
}

const decoder = new TextDecoder();
const encoder = new TextEncoder();
let rest = "";
for await (const chunk of Deno.stdin.readable) {
  const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
  rest = lines.pop()!;
  for (const line of lines) {
    Deno.stdout.writeSync(encoder.encode(JSON.stringify(verdict(line)) + "\n"));
  }
}
