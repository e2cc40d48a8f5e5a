/**
 * Rules between the fields of an alert, which JSON Schema cannot say. Each has its twin of the same name in
 * shared/models/alert_rules.py; tests/payloads/alerts/vectors.json holds both to equal verdicts.
 */
import { exact, whole } from "./decimal.ts";
import type { Problem } from "./problem.ts";
import type { Document, Json } from "./strict_json.ts";

type Part = { [name: string]: Json | undefined };
type Refuse = (path: string, sentence: string) => void;

const MAX_META = 1024;
const ENTRIES = new Set(["open", "add", "reverse", "target"]);
const PERCENT_UP_TO_100 = new Set(["risk_pct", "position_pct"]);
const REDUCING_MODES = new Set(["lots", "units", "contracts", "position_pct"]);
const HUNDRED = whole(100);

/** Every rule that the alert breaks, at most one problem per path. It has passed the schema. */
export function checkRules({ value, numbers }: Document): Problem[] {
  const found = new Map<string, Problem>();
  const refuse: Refuse = (path, sentence) => {
    if (!found.has(path)) found.set(path, { path, message: `${path} ${sentence}`, code: "invalid" });
  };
  const intent = (value as Part)["intent"] as Part;
  new Rules(intent, numbers, refuse).check();
  return [...found.values()];
}

class Rules {
  private readonly action: string;

  constructor(
    private readonly intent: Part,
    private readonly numbers: Map<string, string>,
    private readonly refuse: Refuse,
  ) {
    this.action = (intent["action"] as string | null | undefined) ?? "open";
  }

  check(): void {
    const entry = ENTRIES.has(this.action);
    this.whatFor();
    if (entry || this.action === "reduce") this.quantity();
    if (entry) this.prices();
    if (entry || this.action === "modify") {
      this.stopLoss();
      this.targets();
      this.modeAndValue("intent.trail", this.part("trail"));
      this.breakEven();
    }
    if (weight(this.intent["meta"] ?? "") > MAX_META) {
      this.refuse("intent.meta", "must be an object of at most 1 kB of text");
    }
  }

  private whatFor(): void {
    const { action } = this;
    if (action === "cancel") {
      if (!this.has("symbol", "tag", "order_id", "side")) {
        this.refuse("intent.symbol", "is missing: cancel needs an order_id, a tag, a side or a symbol");
      }
    } else if (action === "modify") {
      if (!this.has("symbol", "order_id")) {
        this.refuse("intent.symbol", "is missing: modify needs a symbol or an order_id");
      }
      if (!this.has("sl", "tp", "trail", "be", "price", "stop_price")) {
        this.refuse("intent", "changes nothing: modify needs sl, tp, trail, be, price or stop_price");
      }
    } else if (action !== "flatten" && !this.has("symbol")) {
      this.refuse("intent.symbol", `is missing: ${action} needs a symbol`);
    }
    if ((action === "open" || action === "add") && !this.has("side")) {
      this.refuse("intent.side", `is missing: ${action} needs buy or sell`);
    }
  }

  private quantity(): void {
    const { action } = this;
    const mode = this.intent["qty_mode"] as string | null | undefined;
    const qty = this.number("intent.qty", this.intent["qty"]);
    if (qty === null) {
      if (action === "reduce" || action === "target") {
        this.refuse("intent.qty", `is missing: ${action} needs a quantity`);
      }
      return;
    }
    if (mode == null) {
      const units = "lots, units, contracts, risk_pct, ...";
      this.refuse("intent.qty_mode", `is missing: say which unit the quantity has (${units})`);
    }
    if (action === "target") {
      if (this.has("side") && qty < 0n) {
        const sentence = "must not be negative when side is given: give a sign or a side";
        this.refuse("intent.qty", sentence);
      }
    } else if (qty <= 0n) {
      this.refuse("intent.qty", "must be above 0");
    }
    this.quantityMode(qty, mode);
  }

  private quantityMode(qty: bigint, mode: string | null | undefined): void {
    if (mode == null) return;
    const size = qty < 0n ? -qty : qty;
    if (PERCENT_UP_TO_100.has(mode) && size > HUNDRED) {
      this.refuse("intent.qty", `must be at most 100: ${mode} is in percent (1.0 = 1 %)`);
    }
    if (this.action === "reduce" && !REDUCING_MODES.has(mode)) {
      const sentence = "must be one of lots, units, contracts, position_pct for reduce";
      this.refuse("intent.qty_mode", sentence);
    }
    if (this.action !== "reduce" && mode === "position_pct") {
      this.refuse("intent.qty_mode", "must not be position_pct: that is for reduce only");
    }
  }

  private prices(): void {
    const type = this.intent["type"];
    const [price, stopPrice] = [this.has("price"), this.has("stop_price")];
    if (type === "limit") {
      if (!price) this.refuse("intent.price", "is missing: a limit order needs a price");
      if (stopPrice) this.refuse("intent.stop_price", "must be absent: a limit order has only a price");
    }
    if (type === "stop") {
      if (!price && !stopPrice) {
        this.refuse("intent.stop_price", "is missing: a stop order needs a stop_price");
      }
      if (price && stopPrice) {
        this.refuse("intent.price", "must be absent beside stop_price: a stop order has one price");
      }
    }
    if (this.intent["tif"] === "gtd" && !this.has("expires_at")) {
      this.refuse("intent.expires_at", "is missing: tif gtd needs the time when the order expires");
    }
  }

  private modeAndValue(path: string, given: Part | null): void {
    if (given === null) return;
    const { mode, value } = given;
    if (mode === "none" && value != null) {
      this.refuse(`${path}.value`, "must be absent: the mode is none");
    }
    if (mode !== "none" && value == null) {
      this.refuse(`${path}.value`, `is missing: ${mode} needs a value`);
    }
  }

  private stopLoss(): void {
    const stop = this.part("sl");
    if (stop === null) return;
    this.modeAndValue("intent.sl", stop);
    const value = this.number("intent.sl.value", stop["value"]);
    if (stop["mode"] === "pct" && value !== null && value >= HUNDRED) {
      this.refuse("intent.sl.value", "must be below 100: pct is in percent of the price (1.0 = 1 %)");
    }
  }

  private targets(): void {
    const given = this.intent["tp"];
    if (given == null) return;
    const targets = (Array.isArray(given) ? given : [given]) as Part[];
    let total = 0n;
    targets.forEach((target, index) => {
      const path = Array.isArray(given) ? `intent.tp[${index}]` : "intent.tp";
      const portion = this.number(`${path}.portion`, target["portion"]);
      this.target(path, target, portion, targets.length > 1);
      total += portion ?? 0n;
    });
    if (total > whole(1)) {
      this.refuse("intent.tp", "has portions that add up to more than 1 (1 = the whole quantity)");
    }
  }

  private target(path: string, target: Part, portion: bigint | null, oneOfSeveral: boolean): void {
    this.modeAndValue(path, target);
    if (target["mode"] === "rr" && this.part("sl")?.["mode"] === "none") {
      this.refuse(`${path}.mode`, "must not be rr: without a stop there is no distance to multiply");
    }
    if (portion !== null && portion > whole(1)) {
      this.refuse(`${path}.portion`, "must be at most 1 (1 = the whole quantity)");
    }
    if (oneOfSeveral && target["mode"] === "none") {
      this.refuse(`${path}.mode`, "must not be none beside other targets");
    }
    if (oneOfSeveral && portion === null) {
      const sentence = "is missing: each of several targets needs its share of the quantity";
      this.refuse(`${path}.portion`, sentence);
    }
  }

  private breakEven(): void {
    const be = this.part("be");
    if (be === null) return;
    const { mode, trigger, plus } = be;
    if (mode === "none" && (trigger != null || plus != null)) {
      const sentence = "must be absent beside trigger or plus: none removes the break-even";
      this.refuse("intent.be.mode", sentence);
    }
    if (mode == null && trigger == null) {
      this.refuse("intent.be.trigger", "is missing: say at which profit the stop moves");
    }
  }

  private has(...names: string[]): boolean {
    return names.some((name) => this.intent[name] != null);
  }

  private part(name: string): Part | null {
    return (this.intent[name] as Part | null | undefined) ?? null;
  }

  private number(path: string, given: Json | undefined): bigint | null {
    if (given == null) return null;
    return exact(typeof given === "string" ? given : this.numbers.get(path)!);
  }
}

const ENCODER = new TextEncoder();

/** Bytes of text in `meta`: names and texts as UTF-8, 8 for anything else. */
function weight(value: Json): number {
  if (typeof value === "string") return ENCODER.encode(value).length;
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + 8 + weight(item), 0);
  if (value !== null && typeof value === "object") {
    return Object.entries(value).reduce((sum, [name, item]) => sum + weight(name) + weight(item), 0);
  }
  return 8;
}
