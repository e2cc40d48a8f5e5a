/** Postgres's logical replication messages (pgoutput, protocol 1), as far as inserts into one table need them. */

/** Column name to the bytes of its text form; null for SQL null. */
export type Row = Record<string, Uint8Array | null>;

const RELATION = 0x52;
const INSERT = 0x49;
const TEXT = 0x74;
const decoder = new TextDecoder();

class Reader {
  #at = 0;
  readonly #view: DataView;

  constructor(private readonly bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
  byte(): number {
    return this.bytes[this.#at++];
  }
  short(): number {
    this.#at += 2;
    return this.#view.getUint16(this.#at - 2);
  }
  int(): number {
    this.#at += 4;
    return this.#view.getUint32(this.#at - 4);
  }
  name(): string {
    const end = this.bytes.indexOf(0, this.#at);
    const text = decoder.decode(this.bytes.subarray(this.#at, end));
    this.#at = end + 1;
    return text;
  }
  take(length: number): Uint8Array {
    this.#at += length;
    return this.bytes.subarray(this.#at - length, this.#at);
  }
}

/** Remembers the relations the stream announces and turns inserts into rows. */
export class InsertDecoder {
  readonly #columns = new Map<number, string[]>();

  constructor(private readonly schema: string, private readonly table: string) {}

  /** The inserted row, or null for any other message. Its bytes are views of `message`. */
  decode(message: Uint8Array): Row | null {
    if (message[0] === RELATION) this.#relation(new Reader(message));
    return message[0] === INSERT ? this.#insert(new Reader(message)) : null;
  }

  #relation(reader: Reader): void {
    reader.byte();
    const id = reader.int();
    const own = reader.name() === this.schema && reader.name() === this.table;
    if (!own) return;
    reader.byte();
    const columns = Array.from({ length: reader.short() }, () => {
      reader.byte();
      const name = reader.name();
      reader.take(8);
      return name;
    });
    this.#columns.set(id, columns);
  }

  #insert(reader: Reader): Row | null {
    reader.byte();
    const columns = this.#columns.get(reader.int());
    if (!columns) return null;
    reader.byte();
    const count = reader.short();
    const row: Row = {};
    for (let i = 0; i < count; i++) {
      row[columns[i]] = reader.byte() === TEXT ? reader.take(reader.int()) : null;
    }
    return row;
  }
}
