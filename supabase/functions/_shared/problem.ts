/** What is wrong with a body, at which path. Twin of shared/models/problem.py. */
export interface Problem {
  path: string;
  message: string;
  /** unreadable = not JSON at all (400), invalid = JSON that may not be used (422). */
  code: "unreadable" | "invalid";
}

export const ROOT = "$";
const LONGEST_NAME = 40;

/** The path of a field of the object at `path`; a name of absurd length is cut. */
export function member(path: string, name: string): string {
  // Counted in code points, as Python counts. Most names are short whichever way one counts.
  const characters = name.length > LONGEST_NAME ? Array.from(name) : null;
  const shown = characters && characters.length > LONGEST_NAME
    ? characters.slice(0, LONGEST_NAME).join("") + "…"
    : name;
  return path === ROOT ? shown : `${path}.${shown}`;
}

/** The path of an element of the list at `path`. */
export function element(path: string, index: number): string {
  return path === ROOT ? `[${index}]` : `${path}[${index}]`;
}
