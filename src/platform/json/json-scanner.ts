import { CharacterCheck } from './character-check.js';
import type { WatchedPaths } from './watched-paths.js';

/** Bytes are not one complete JSON value. The message contains a position, never content. */
export class JsonSyntaxError extends Error {
  override readonly name = 'JsonSyntaxError';
}

/** Maximum nesting of containers; the scanner keeps one bit for each. */
export const MAX_SCAN_DEPTH = 1_000_000;

/** Called with the offsets of a watched value, once its last byte is known. */
export type OnValue = (label: string, start: number, end: number) => void;

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
const COLON = 0x3a;
const CLOSE_ARRAY = 0x5d;
const CLOSE_OBJECT = 0x7d;

/** Classes of bytes, as bits. `CharacterCheck` validates those above 0x7f. */
const PLAIN = 1;
const DIGIT = 2;
const HEX = 4;
const ESCAPED = 8;
const WHITESPACE = 16;
const KINDS = Uint8Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte);
  return (
    (byte >= 0x20 && byte !== QUOTE && byte !== BACKSLASH ? PLAIN : 0) |
    (/[0-9]/.test(character) ? DIGIT : 0) |
    (/[0-9a-fA-F]/.test(character) ? HEX : 0) |
    (/["\\/bfnrt]/.test(character) ? ESCAPED : 0) |
    (/[ \n\r\t]/.test(character) ? WHITESPACE : 0)
  );
});
const is = (byte: number | undefined, kind: number): boolean =>
  ((KINDS[byte ?? 0] ?? 0) & kind) !== 0;

/** Longer names are not watched: 20 characters as escapes of six bytes, and the quotes. */
const MAX_NAME_BYTES = 6 * 20 + 2;

const EMPTY: Buffer = Buffer.alloc(0);
const NONE = -1;

/**
 * Checks that chunks of bytes are exactly one JSON value (RFC 8259) in UTF-8, and reports the offsets of watched values. It
 * keeps only one bit per open container, so its memory does not grow with the input.
 */
export class JsonScanner {
  private state: State = State.Value;
  private depth = 0;
  /** One bit for each open container: whether it is an object. */
  private objects = new Uint8Array(64);
  /** The watched nodes of the outermost open containers; further in nothing is watched. */
  private readonly nodes: WatchedPaths[] = [];
  /** The watched node of the innermost open container. */
  private container: WatchedPaths | undefined;
  /** Whether that container is an object. */
  private isInObject = false;
  /** The node of the next value. */
  private next: WatchedPaths | undefined;
  /** Watched values that are open, the outermost first. */
  private readonly open: { label: string; start: number; depth: number }[] = [];
  /** The depth of the innermost of them. */
  private openDepth = NONE;
  private isName = false;
  /** The part of a potentially watched name in earlier chunks; `undefined` if the name is not relevant. */
  private name: Buffer | undefined;
  private hexDigits = 0;
  private literal: Buffer = EMPTY;
  private literalAt = 0;
  private readonly characters = new CharacterCheck();
  /** Bytes before the current chunk. */
  private offset = 0;

  constructor(
    watched: WatchedPaths = {},
    private readonly onValue: OnValue = () => undefined,
  ) {
    this.next = watched;
  }

  /** The offset of the outermost open watched value. */
  get openStart(): number | undefined {
    return this.open[0]?.start;
  }

  /** Throws `JsonSyntaxError` at the first invalid byte. */
  write(chunk: Buffer): void {
    if (!this.characters.accept(chunk)) {
      throw new JsonSyntaxError(`the JSON is not UTF-8 after ${this.offset} bytes`);
    }
    const { length } = chunk;
    let { state } = this;
    let at = 0;
    let nameStart = 0;
    while (at < length) {
      const byte = chunk[at] ?? 0;
      if (state < State.String && is(byte, WHITESPACE)) {
        at++;
        continue;
      }
      switch (state) {
        case State.Value:
          state = this.beginValue(byte, at++);
          break;
        case State.FirstElement:
          state = byte === CLOSE_ARRAY ? this.closeContainer(++at) : this.beginValue(byte, at++);
          break;
        case State.FirstName:
          nameStart = at;
          state = byte === CLOSE_OBJECT ? this.closeContainer(++at) : this.beginName(byte, at++);
          break;
        case State.Name:
          nameStart = at;
          state = this.beginName(byte, at++);
          break;
        case State.Colon:
          if (byte !== COLON) this.fail(at);
          state = State.Value;
          at++;
          break;
        case State.AfterValue:
          if (byte === COMMA) {
            at++;
            if (this.isInObject) state = State.Name;
            else {
              this.next = this.container?.elements;
              state = State.Value;
            }
          } else if (byte === (this.isInObject ? CLOSE_OBJECT : CLOSE_ARRAY)) {
            state = this.closeContainer(++at);
          } else this.fail(at);
          break;
        case State.String:
          while (at < length && is(chunk[at], PLAIN)) at++;
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
          } else if (is(byte, ESCAPED)) state = State.String;
          else this.fail(at);
          at++;
          break;
        case State.Hex:
          if (!is(byte, HEX)) this.fail(at);
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
          if (!is(byte, DIGIT)) this.fail(at);
          at++;
          break;
        case State.Integer:
          while (at < length && is(chunk[at], DIGIT)) at++;
          if (at === length) break;
          state = chunk[at] === COMMA ? this.endValue(at) : State.AfterInteger;
          break;
        case State.AfterInteger:
          // After the integer part of a number; a leading 0 is all of it.
          if (byte === 0x2e) {
            state = State.Point;
            at++;
          } else if (byte === 0x65 || byte === 0x45) {
            state = State.Exponent;
            at++;
          } else state = this.endValue(at);
          break;
        case State.Point:
          if (!is(byte, DIGIT)) this.fail(at);
          state = State.Fraction;
          at++;
          break;
        case State.Fraction:
          while (at < length && is(chunk[at], DIGIT)) at++;
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
          if (!is(byte, DIGIT)) this.fail(at);
          state = State.ExponentDigits;
          at++;
          break;
        case State.ExponentDigits:
          while (at < length && is(chunk[at], DIGIT)) at++;
          if (at < length) state = this.endValue(at);
          break;
        default:
          this.fail(at);
      }
    }
    this.state = state;
    if (this.isName) this.keepName(chunk, nameStart, length);
    this.offset += length;
  }

  /** Throws `JsonSyntaxError` if the value is incomplete. */
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
    if (this.state !== State.End || this.characters.isCut) {
      throw new JsonSyntaxError(`the JSON is incomplete after ${this.offset} bytes`);
    }
  }

  private beginValue(byte: number, at: number): State {
    const node = this.next;
    if (node?.label !== undefined && (byte === QUOTE || node.onlyStrings !== true)) {
      this.open.push({ label: node.label, start: this.offset + at, depth: this.depth });
      this.openDepth = this.depth;
    }
    if (byte > 0x30 && byte <= 0x39) return State.Integer;
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
        return this.fail(at);
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
    this.name = this.container?.members === undefined ? undefined : EMPTY;
    return State.String;
  }

  private keepName(chunk: Buffer, start: number, end: number): void {
    if (this.name === undefined) return;
    const isTooLong = this.name.length + end - start > MAX_NAME_BYTES;
    this.name = isTooLong ? undefined : Buffer.concat([this.name, chunk.subarray(start, end)]);
  }

  private endName(chunk: Buffer, start: number, end: number): State {
    this.isName = false;
    this.next = this.container?.rest;
    const members = this.container?.members;
    if (members === undefined) return State.Colon;
    let name: string | undefined;
    if (chunk[start] === QUOTE && this.name?.length === 0) {
      if (end - start <= MAX_NAME_BYTES) name = chunk.toString('latin1', start + 1, end - 1);
      if (name?.includes('\\') === true)
        name = String(JSON.parse(chunk.toString('utf8', start, end)));
    } else {
      this.keepName(chunk, start, end);
      if (this.name !== undefined) name = String(JSON.parse(this.name.toString()));
    }
    if (name !== undefined) this.next = members.get(name) ?? this.next;
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
    if (node !== undefined && this.nodes.length === this.depth) this.nodes.push(node);
    const index = this.depth >> 3;
    if (index === this.objects.length) this.growObjects();
    const bit = 1 << (this.depth & 7);
    const others = (this.objects[index] ?? 0) & ~bit;
    this.objects[index] = isObject ? others | bit : others;
    this.depth++;
    this.isInObject = isObject;
    this.container = node;
    this.next = isObject ? undefined : node?.elements;
    return isObject ? State.FirstName : State.FirstElement;
  }

  private growObjects(): void {
    if (this.depth >= MAX_SCAN_DEPTH) {
      throw new JsonSyntaxError(`the JSON is nested deeper than ${MAX_SCAN_DEPTH} levels`);
    }
    const larger = new Uint8Array(Math.min(2 * this.objects.length, MAX_SCAN_DEPTH / 8));
    larger.set(this.objects);
    this.objects = larger;
  }

  /** `end` is the offset after the bracket. */
  private closeContainer(end: number): State {
    const level = --this.depth - 1;
    if (this.nodes.length > this.depth) this.nodes.pop();
    this.isInObject = ((this.objects[level >> 3] ?? 0) & (1 << (level & 7))) !== 0;
    this.container = this.nodes.length === this.depth ? this.nodes[level] : undefined;
    return this.endValue(end);
  }

  private fail(at: number): never {
    throw new JsonSyntaxError(`not valid JSON at byte ${this.offset + at}`);
  }
}

const TRUE = Buffer.from('true');
const FALSE = Buffer.from('false');
const NULL = Buffer.from('null');
