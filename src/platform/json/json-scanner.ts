import { isUtf8 } from 'node:buffer';

/** Why bytes are not one whole JSON value. The message names a position, never the content. */
export class JsonSyntaxError extends Error {
  override readonly name = 'JsonSyntaxError';
}

/** Containers within containers that the scanner follows; one bit each. */
export const MAX_JSON_DEPTH = 1_000_000;

/**
 * A tree of the places to report. `label` marks a place, `members` leads to the members of an object, `elements` to
 * every element of an array.
 */
export interface WatchedPaths {
  readonly label?: string;
  readonly members?: ReadonlyMap<string, WatchedPaths>;
  readonly elements?: WatchedPaths;
}

/** Called with the offsets of a watched value, once its last byte is known. */
export type OnValue = (label: string, start: number, end: number) => void;

/** `{ 'result.items.*.id': 'id' }` as a tree; `*` stands for every element of an array. */
export function watchedPaths(paths: Readonly<Record<string, string>>): WatchedPaths {
  interface Node {
    label?: string;
    members?: Map<string, Node>;
    elements?: Node;
  }
  const root: Node = {};
  for (const [path, label] of Object.entries(paths)) {
    let node = root;
    for (const step of path === '' ? [] : path.split('.')) {
      if (step === '*') {
        node = node.elements ??= {};
      } else {
        node.members ??= new Map();
        const next: Node = node.members.get(step) ?? {};
        node.members.set(step, next);
        node = next;
      }
    }
    node.label = label;
  }
  return root;
}

const enum State {
  Value,
  FirstElement,
  FirstName,
  Name,
  Colon,
  AfterValue,
  End,
  String,
  Escape,
  Hex,
  Literal,
  Minus,
  Integer,
  AfterInteger,
  Point,
  Fraction,
  Exponent,
  ExponentSign,
  ExponentDigits,
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;

/** Bytes that a string holds as they are. Whether those above 0x7f are UTF-8 is checked apart. */
const PLAIN = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x20 && byte !== QUOTE && byte !== BACKSLASH ? 1 : 0,
);
const ESCAPES = new Set(Buffer.from('"\\/bfnrt'));

/** Longer names are not watched: six bytes for each character of the longest one that is, as escapes, and the quotes. */
const MAX_NAME_BYTES = 6 * 20 + 2;

const EMPTY: Buffer = Buffer.alloc(0);
const NONE = -1;

/**
 * Checks that bytes, however they are cut, are exactly one JSON value (RFC 8259) in UTF-8, and reports where watched
 * values are. It keeps nothing but a bit for each open container, so its memory does not grow with the input.
 */
export class JsonScanner {
  private state: State = State.Value;
  private depth = 0;
  /** One bit for each open container: whether it is an object. */
  private objects = new Uint8Array(64);
  /** The watched nodes of the outermost open containers; further in nothing is watched. */
  private readonly nodes: WatchedPaths[] = [];
  /** The node of the next value. */
  private next: WatchedPaths | undefined;
  /** Watched values that are open, the outermost first. */
  private readonly open: { label: string; start: number; depth: number }[] = [];
  /** The depth of the innermost of them. */
  private openDepth = NONE;
  private isName = false;
  /** What has come of a name that could be a watched one; `undefined` where the name does not matter. */
  private name: Buffer | undefined;
  private hexDigits = 0;
  private literal: Buffer = EMPTY;
  private literalAt = 0;
  /** The beginning of a character whose end has not come. */
  private cutCharacter: Buffer = EMPTY;
  /** Bytes before the current chunk. */
  private offset = 0;

  constructor(
    watched: WatchedPaths = {},
    private readonly onValue: OnValue = () => undefined,
  ) {
    this.next = watched;
  }

  /** Where the outermost watched value begins that has begun and not ended. */
  get openStart(): number | undefined {
    return this.open[0]?.start;
  }

  /** Throws `JsonSyntaxError` at the first byte that cannot belong to a JSON value. */
  write(chunk: Buffer): void {
    this.checkCharacters(chunk);
    const { length } = chunk;
    let { state } = this;
    let at = 0;
    let nameStart = 0;
    while (at < length) {
      const byte = chunk[at] ?? 0;
      switch (state) {
        case State.String:
          while (at < length && PLAIN[chunk[at] ?? 0] === 1) at++;
          if (at === length) break;
          if (chunk[at] === QUOTE) {
            at++;
            state = this.isName ? this.endName(chunk, nameStart, at) : this.endValue(at);
          } else if (chunk[at] === BACKSLASH) {
            at++;
            state = State.Escape;
          } else this.fail(at);
          break;
        case State.Escape:
          if (byte === 0x75) {
            state = State.Hex;
            this.hexDigits = 0;
          } else if (ESCAPES.has(byte)) state = State.String;
          else this.fail(at);
          at++;
          break;
        case State.Hex:
          if (!isHexDigit(byte)) this.fail(at);
          if (++this.hexDigits === 4) state = State.String;
          at++;
          break;
        case State.Literal:
          if (byte !== this.literal[this.literalAt]) this.fail(at);
          at++;
          if (++this.literalAt === this.literal.length) state = this.endValue(at);
          break;
        case State.Minus:
          state = byte === 0x30 ? State.AfterInteger : State.Integer;
          if (!isDigit(byte)) this.fail(at);
          at++;
          break;
        case State.Integer:
          while (at < length && isDigit(chunk[at] ?? 0)) at++;
          if (at < length) state = State.AfterInteger;
          break;
        case State.AfterInteger:
          // Behind the integer part of a number, of which a 0 is all.
          if (byte === 0x2e) {
            state = State.Point;
            at++;
          } else if (byte === 0x65 || byte === 0x45) {
            state = State.Exponent;
            at++;
          } else state = this.endValue(at);
          break;
        case State.Point:
          if (!isDigit(byte)) this.fail(at);
          state = State.Fraction;
          at++;
          break;
        case State.Fraction:
          while (at < length && isDigit(chunk[at] ?? 0)) at++;
          if (at === length) break;
          if (chunk[at] === 0x65 || chunk[at] === 0x45) {
            state = State.Exponent;
            at++;
          } else state = this.endValue(at);
          break;
        case State.Exponent:
          state = State.ExponentSign;
          if (byte === 0x2b || byte === 0x2d) at++;
          break;
        case State.ExponentSign:
          if (!isDigit(byte)) this.fail(at);
          state = State.ExponentDigits;
          at++;
          break;
        case State.ExponentDigits:
          if (isDigit(byte)) at++;
          else state = this.endValue(at);
          break;
        default:
          // Between tokens.
          if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) {
            at++;
            break;
          }
          nameStart = at;
          state = this.beginToken(state, byte, at);
          at++;
      }
    }
    this.state = state;
    if (this.isName) this.keepName(chunk, nameStart, length);
    this.offset += length;
  }

  /** Throws `JsonSyntaxError` where the value is not whole. */
  end(): void {
    switch (this.state) {
      case State.AfterInteger:
      case State.Integer:
      case State.Fraction:
      case State.ExponentDigits:
        this.state = this.endValue(0);
        break;
      default:
    }
    if (this.state !== State.End || this.cutCharacter.length > 0) {
      throw new JsonSyntaxError(`the JSON ends before its end, after ${this.offset} bytes`);
    }
  }

  private beginToken(state: State, byte: number, at: number): State {
    switch (state) {
      case State.Value:
        return this.beginValue(byte, at);
      case State.FirstElement:
        if (byte === 0x5d) return this.closeContainer(at);
        return this.beginValue(byte, at);
      case State.FirstName:
        if (byte === 0x7d) return this.closeContainer(at);
        return this.beginName(byte, at);
      case State.Name:
        return this.beginName(byte, at);
      case State.Colon:
        return byte === 0x3a ? State.Value : this.fail(at);
      case State.AfterValue:
        return this.afterValue(byte, at);
      default:
        return this.fail(at);
    }
  }

  private afterValue(byte: number, at: number): State {
    const inObject = this.inObject();
    if (byte === COMMA) {
      if (inObject) return State.Name;
      this.next = this.container()?.elements;
      return State.Value;
    }
    return byte === (inObject ? 0x7d : 0x5d) ? this.closeContainer(at) : this.fail(at);
  }

  private beginValue(byte: number, at: number): State {
    const node = this.next;
    if (node?.label !== undefined) {
      this.open.push({ label: node.label, start: this.offset + at, depth: this.depth });
      this.openDepth = this.depth;
    }
    switch (byte) {
      case QUOTE:
        this.isName = false;
        return State.String;
      case 0x7b:
        return this.openContainer(node, true);
      case 0x5b:
        return this.openContainer(node, false);
      case 0x2d:
        return State.Minus;
      case 0x30:
        return State.AfterInteger;
      case 0x74:
        return this.beginLiteral(TRUE);
      case 0x66:
        return this.beginLiteral(FALSE);
      case 0x6e:
        return this.beginLiteral(NULL);
      default:
        return isDigit(byte) ? State.Integer : this.fail(at);
    }
  }

  private beginLiteral(literal: Buffer): State {
    this.literal = literal;
    this.literalAt = 1;
    return State.Literal;
  }

  private beginName(byte: number, at: number): State {
    if (byte !== QUOTE) this.fail(at);
    this.isName = true;
    this.name = this.container()?.members === undefined ? undefined : EMPTY;
    return State.String;
  }

  private keepName(chunk: Buffer, start: number, end: number): void {
    if (this.name === undefined) return;
    const isTooLong = this.name.length + end - start > MAX_NAME_BYTES;
    this.name = isTooLong ? undefined : Buffer.concat([this.name, chunk.subarray(start, end)]);
  }

  private endName(chunk: Buffer, start: number, end: number): State {
    this.isName = false;
    this.next = undefined;
    this.keepName(chunk, start, end);
    if (this.name !== undefined) {
      const name: unknown = JSON.parse(this.name.toString());
      this.next = this.container()?.members?.get(String(name));
    }
    return State.Colon;
  }

  private endValue(at: number): State {
    if (this.openDepth === this.depth) this.report(at);
    return this.depth === 0 ? State.End : State.AfterValue;
  }

  private report(at: number): void {
    const value = this.open.pop();
    this.openDepth = this.open.at(-1)?.depth ?? NONE;
    if (value !== undefined) this.onValue(value.label, value.start, this.offset + at);
  }

  private openContainer(node: WatchedPaths | undefined, isObject: boolean): State {
    if (this.depth === MAX_JSON_DEPTH) {
      throw new JsonSyntaxError(`the JSON is nested deeper than ${MAX_JSON_DEPTH} levels`);
    }
    if (node !== undefined && this.nodes.length === this.depth) this.nodes.push(node);
    const index = this.depth >> 3;
    if (index === this.objects.length) {
      const larger = new Uint8Array(2 * index);
      larger.set(this.objects);
      this.objects = larger;
    }
    const bit = 1 << (this.depth & 7);
    const others = (this.objects[index] ?? 0) & ~bit;
    this.objects[index] = isObject ? others | bit : others;
    this.depth++;
    this.next = isObject ? undefined : this.container()?.elements;
    return isObject ? State.FirstName : State.FirstElement;
  }

  private closeContainer(at: number): State {
    if (this.nodes.length === this.depth) this.nodes.pop();
    this.depth--;
    return this.endValue(at + 1);
  }

  private inObject(): boolean {
    const level = this.depth - 1;
    return ((this.objects[level >> 3] ?? 0) & (1 << (level & 7))) !== 0;
  }

  /** The watched node of the innermost open container. */
  private container(): WatchedPaths | undefined {
    return this.nodes.length === this.depth ? this.nodes[this.depth - 1] : undefined;
  }

  private checkCharacters(chunk: Buffer): void {
    const bytes =
      this.cutCharacter.length === 0 ? chunk : Buffer.concat([this.cutCharacter, chunk]);
    const cut = bytes.length - lengthOfCutCharacter(bytes);
    if (!isUtf8(bytes.subarray(0, cut))) {
      throw new JsonSyntaxError(`the JSON is not UTF-8 after ${this.offset} bytes`);
    }
    this.cutCharacter = cut === bytes.length ? EMPTY : Buffer.from(bytes.subarray(cut));
  }

  private fail(at: number): never {
    throw new JsonSyntaxError(`not valid JSON at byte ${this.offset + at}`);
  }
}

const TRUE = Buffer.from('true');
const FALSE = Buffer.from('false');
const NULL = Buffer.from('null');

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

function isHexDigit(byte: number): boolean {
  return isDigit(byte) || (byte >= 0x61 && byte <= 0x66) || (byte >= 0x41 && byte <= 0x46);
}

/** How many bytes at the end begin a character of more bytes than there are. */
function lengthOfCutCharacter(bytes: Buffer): number {
  for (let length = 1; length <= Math.min(3, bytes.length); length++) {
    const byte = bytes[bytes.length - length] ?? 0;
    if (byte < 0x80) return 0;
    if (byte < 0xc0) continue;
    const whole = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return whole > length ? length : 0;
  }
  return 0;
}
