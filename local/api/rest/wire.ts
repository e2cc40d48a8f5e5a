/** How values cross the wire between Postgres and JSON. */
import { parseFloatText, parseJson, parseNumber, serializeJson, unmark } from "./numbers.ts";

const same = (text: unknown) => String(text);
const isoTime = (text: string) => text.replace(" ", "T").replace(/([+-]\d\d)$/, "$1:00");

/** A driver type; object ids are those of pg_type. */
function type(
  oid: number,
  serialize: (value: unknown) => string,
  parse: (text: string) => unknown,
  from = [oid],
) {
  return { to: oid, from, serialize, parse };
}

/** Types for postgres.js: exact numbers, ISO times, json without double encoding. */
export const WIRE_TYPES = {
  bigint: type(20, String, parseNumber),
  numeric: type(1700, String, parseNumber),
  float: type(701, String, parseFloatText, [700, 701]),
  json: type(114, serializeJson, parseJson),
  jsonb: type(3802, serializeJson, parseJson),
  timestamptz: type(1184, same, isoTime),
  timestamp: type(1114, same, isoTime),
  bytea: type(17, same, same),
  string: type(25, (value) => unmark(String(value)), same),
  varchar: type(1043, (value) => unmark(String(value)), same),
};
