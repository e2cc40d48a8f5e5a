/**
 * Where a trader's messages go: an address sealed where it is typed, bound to its target's row. A target's address
 * never changes: another address is another target. docs/notifications.md
 *
 * Runs in a browser as it is. Twin of shared/crypto/targets.py: tests/payloads/crypto/targets.json is read by both.
 */
import { bytes, canonical, seal, unseal } from "./sealing.ts";

const LABEL = "empire-target/1|";
const DISCORD_HOST = /^(?:\w+\.)?discord(?:app)?\.com$/;
const DISCORD_PATH = /^\/api(?:\/v\d{1,2})?\/webhooks\/\d{5,25}\/[A-Za-z0-9_-]{20,120}$/;
const SLACK_HOST = /^hooks\.slack\.com$/;
const SLACK_PATH = /^\/(?:services|workflows|triggers)(?:\/[A-Za-z0-9]{4,40}){2,5}$/;
const MAIL = /^[^\s@<>,;:"()[\]\\\p{Cc}]{1,64}@[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)+$/u;
const BOT = /^\d{3,20}:[A-Za-z0-9_-]{20,100}$/;
const CHAT = /^(?:-?\d{1,20}|@[A-Za-z0-9_]{4,40})$/;

/** What makes up the address of each kind. */
export const FIELDS = {
  email: ["address"],
  telegram: ["token", "chat"],
  discord: ["url"],
  slack: ["url"],
  webhook: ["url", "secret"],
} as const;

export type Kind = keyof typeof FIELDS;
export type Address = Record<string, string>;

/** An address cannot be used. The message is for the trader and never holds a secret. */
export class TargetError extends Error {}

/** The row an address belongs to. */
export interface TargetBinding {
  user_id: string;
  target_id: string;
  kind: string;
  key_id: string;
}

/** HPKE's info for a row. Nothing of it is secret. */
export function infoOfTarget(binding: TargetBinding): Uint8Array {
  const { user_id, target_id, kind, key_id } = binding;
  return bytes(LABEL + canonical({ user_id, target_id, kind, key_id }));
}

/** The address of a kind, whole and well-formed. Throws TargetError. */
export function checkedAddress(kind: string, values: Address): Address {
  if (!Object.hasOwn(FIELDS, kind)) {
    throw new TargetError(`There is no kind ${kind}: choose one of ${Object.keys(FIELDS).join(", ")}.`);
  }
  const fields: readonly string[] = FIELDS[kind as Kind];
  const names = Object.keys(values);
  const isWhole = names.length === fields.length && fields.every((name) => typeof values[name] === "string");
  if (!isWhole) throw new TargetError(`The address of a target of kind ${kind} is: ${fields.join(", ")}.`);
  const fault = faultOf(kind as Kind, values);
  if (fault) throw new TargetError(fault);
  return { ...values };
}

/** An address sealed for its row. Throws TargetError, SealError. */
export async function sealAddress(
  values: Address,
  binding: TargetBinding,
  publicKey: Uint8Array,
): Promise<Uint8Array> {
  const plaintext = bytes(canonical(checkedAddress(binding.kind, values)));
  return await seal(plaintext, infoOfTarget(binding), publicKey);
}

/** The address of a row (tests; the fleet opens them in Python). Throws TargetError, SealError. */
export async function openAddress(
  sealed: Uint8Array,
  binding: TargetBinding,
  privateKey: Uint8Array,
): Promise<Address> {
  const plaintext = await unseal(sealed, infoOfTarget(binding), privateKey);
  return checkedAddress(binding.kind, JSON.parse(new TextDecoder().decode(plaintext)) as Address);
}

/** What of an address may be shown: enough to know it by, nothing to send with. */
export function hintOf(kind: Kind, values: Address): string {
  if (kind === "email") {
    const [name, host] = [
      values.address!.slice(0, 1),
      values.address!.slice(values.address!.lastIndexOf("@") + 1),
    ];
    return `${name}***@${host}`.slice(0, 80);
  }
  if (kind === "telegram") return `bot ${values.token!.split(":")[0]}, chat ${values.chat}`.slice(0, 80);
  return (URL.parse(values.url!)?.hostname ?? "").slice(0, 80);
}

function faultOf(kind: Kind, values: Address): string | null {
  switch (kind) {
    case "email":
      if (MAIL.test(values.address!) && values.address!.length <= 254) return null;
      return "That is no e-mail address: it looks like name@example.com.";
    case "telegram":
      if (BOT.test(values.token!) && CHAT.test(values.chat!)) return null;
      return "A bot's token looks like 123456:ABC..., a chat is a number or @channel.";
    case "discord":
      if (isHook(values.url!, DISCORD_HOST, DISCORD_PATH)) return null;
      return "A Discord webhook looks like https://discord.com/api/webhooks/<number>/<token>.";
    case "slack":
      if (isHook(values.url!, SLACK_HOST, SLACK_PATH)) return null;
      return "A Slack webhook looks like https://hooks.slack.com/services/T.../B.../....";
    case "webhook":
      return faultOfWebhook(values.url!, values.secret!);
  }
}

function faultOfWebhook(url: string, secret: string): string | null {
  if (secret.length < 16 || secret.length > 256) {
    return "The signing secret of a webhook has 16 to 256 characters.";
  }
  if (url.length <= 2000 && /^https?:\/\/[^/?#]/i.test(url) && URL.parse(url)?.hostname) return null;
  return "A webhook's address begins with https:// and has at most 2000 characters.";
}

function isHook(url: string, host: RegExp, path: RegExp): boolean {
  const parts = /^https:\/\/([^/?#]*)([^?#]*)$/i.exec(url);
  return parts !== null && host.test(parts[1]!) && path.test(parts[2]!);
}
