/** The address of the sender, as far as the proxies in front can be believed. */

const IPV4 = /^(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(?:\.(?!$)|$)){4}$/;
const MAPPED = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/;

/**
 * The n-th address of X-Forwarded-For from the right, n = TRUSTED_PROXY_HOPS: our proxies append, a sender can
 * only write further left. n = 0 is the socket's peer. Null = unknown: it fails every list of allowed addresses.
 */
export function clientAddress(headers: Headers, peer: string | null, hops: number): string | null {
  if (hops === 0) return normalise(peer ?? "");
  const addresses = (headers.get("x-forwarded-for") ?? "").split(",");
  return normalise((addresses.at(-hops) ?? "").trim());
}

/** One spelling per address: lower case, compressed, IPv4 for an IPv4-mapped IPv6. Null when it is none. */
export function normalise(address: string): string | null {
  if (IPV4.test(address)) return address;
  if (address.length > 45 || !address.includes(":") || !/^[0-9a-fA-F:.]+$/.test(address)) return null;
  const url = URL.parse(`http://[${address}]/`);
  if (url === null) return null;
  const compressed = url.hostname.slice(1, -1);
  const mapped = MAPPED.exec(compressed);
  if (mapped === null) return compressed;
  const [high, low] = [parseInt(mapped[1]!, 16), parseInt(mapped[2]!, 16)];
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}

/** TRUSTED_PROXY_HOPS as a number; absent = 0. */
export function trustedHops(text: string | undefined): number {
  if (text === undefined || text === "") return 0;
  if (!/^[0-9]$/.test(text)) throw new Error("TRUSTED_PROXY_HOPS must be a number from 0 to 9");
  return Number(text);
}
