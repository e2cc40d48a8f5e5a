import { strictEqual, throws } from "node:assert/strict";
import { clientAddress, normalise, trustedHops } from "./client_address.ts";

function from(forwarded: string | null, peer: string | null, hops: number): string | null {
  const headers = new Headers(forwarded === null ? {} : { "x-forwarded-for": forwarded });
  return clientAddress(headers, peer, hops);
}

Deno.test("without trusted proxies the socket's peer counts and the header is ignored", () => {
  strictEqual(from("1.2.3.4", "5.6.7.8", 0), "5.6.7.8");
  strictEqual(from(null, null, 0), null);
});

Deno.test("with n proxies the n-th address from the right counts, whatever the sender wrote further left", () => {
  strictEqual(from("6.6.6.6, 1.2.3.4", "127.0.0.1", 1), "1.2.3.4");
  strictEqual(from("6.6.6.6, 1.2.3.4, 10.0.0.1", "127.0.0.1", 2), "1.2.3.4");
});

Deno.test("several header lines are one list", () => {
  const headers = new Headers([["x-forwarded-for", "6.6.6.6"], ["x-forwarded-for", "1.2.3.4"]]);
  strictEqual(clientAddress(headers, null, 1), "1.2.3.4");
  strictEqual(clientAddress(headers, null, 2), "6.6.6.6");
});

Deno.test("too few addresses, or none at that place, are unknown", () => {
  strictEqual(from("1.2.3.4", "127.0.0.1", 2), null);
  strictEqual(from(null, "127.0.0.1", 1), null);
  strictEqual(from("1.2.3.4,", "127.0.0.1", 1), null);
  strictEqual(from("1.2.3.4, unknown", "127.0.0.1", 1), null);
});

Deno.test("addresses have one spelling, and an IPv4-mapped one is the IPv4", () => {
  strictEqual(normalise("::ffff:52.89.214.238"), "52.89.214.238");
  strictEqual(normalise("::FFFF:3459:d6ee"), "52.89.214.238");
  strictEqual(normalise("0:0:0:0:0:ffff:0102:0304"), "1.2.3.4");
  strictEqual(normalise("2001:DB8:0:0:0:0:0:1"), "2001:db8::1");
  strictEqual(normalise("::1"), "::1");
});

Deno.test("what is no plain address is unknown", () => {
  const bad = [
    "",
    "1.2.3",
    "1.2.3.256",
    "01.2.3.4",
    "1.2.3.4.",
    "1.2.3.4:80",
    "[::1]",
    "::1%eth0",
    "::g",
    ":::",
  ];
  for (const address of [...bad, "localhost", "1.2.3.4 ", "0x7f.1", "2130706433", "1::2::3", "::1]/x"]) {
    strictEqual(normalise(address), null, address);
  }
});

Deno.test("the number of trusted proxies is a digit; anything else stops the start", () => {
  strictEqual(trustedHops(undefined), 0);
  strictEqual(trustedHops("2"), 2);
  for (const text of ["-1", "1.5", "x", "10"]) throws(() => trustedHops(text), /TRUSTED_PROXY_HOPS/);
});
