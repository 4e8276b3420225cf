/**
 * An XML-RPC answer, read as a stream: the elements of the array that it holds are handed on as they end, so
 * that 50,000 changelog rows never stand in memory as a tree. Called by `changelog.ts`. It takes no DTD
 * (so no entities either), only the elements of the XML-RPC specification and `nil`, at bounded depth.
 */
import { SaxesParser } from "saxes";
import { boundedRetryMs, UpstreamError } from "./upstream-error.ts";

/** A struct is a Map, so that no name in it can mean anything. */
export type XmlRpcValue =
  | string
  | number
  | boolean
  | null
  | XmlRpcValue[]
  | Map<string, XmlRpcValue>;

const scalars = ["string", "int", "i4", "i8", "boolean", "double", "nil", "ex:nil"];
const texts = ["dateTime.iso8601", "base64"];
const values = [...scalars, ...texts, "array", "struct"];

/** Which element may stand in which. */
const children = new Map<string, ReadonlySet<string>>([
  ["", new Set(["methodResponse"])],
  ["methodResponse", new Set(["params", "fault"])],
  ["params", new Set(["param"])],
  ["param", new Set(["value"])],
  ["fault", new Set(["value"])],
  ["value", new Set(values)],
  ["array", new Set(["data"])],
  ["data", new Set(["value"])],
  ["struct", new Set(["member"])],
  ["member", new Set(["name", "value"])],
]);

/** Rows of rows and a fault's struct need 12; nothing needs more than this. */
const MAX_DEPTH = 32;

/** Longer than any name, version or action, and than any fault's text. */
const MAX_TEXT_LENGTH = 100_000;

/** methodResponse, params, param, value, array, data. */
const TOP_ARRAY_DEPTH = 6;

interface Frame {
  readonly tag: string;
  text: string;
  /** What its child elements came to; undefined until one ended. */
  value: XmlRpcValue | undefined;
  /** Made when the first one comes: an answer has a million elements, and few have any. */
  items: XmlRpcValue[] | undefined;
  members: Map<string, XmlRpcValue> | undefined;
  name: string | undefined;
}

export class XmlRpcReader {
  readonly #parser = new SaxesParser({ position: false });
  readonly #frames: Frame[] = [];
  readonly #onItem: (item: XmlRpcValue) => void;
  #result: XmlRpcValue | undefined;
  #fault: XmlRpcValue | undefined;

  /** @param onItem takes each element of the answer's array; called from within `write`. */
  constructor(onItem: (item: XmlRpcValue) => void) {
    this.#onItem = onItem;
    this.#parser.on("opentag", ({ name }) => this.#open(name));
    this.#parser.on("closetag", () => this.#close());
    this.#parser.on("text", (text) => this.#text(text));
    this.#parser.on("cdata", (text) => this.#text(text));
    this.#parser.on("doctype", () => {
      throw garbled("it has a document type");
    });
    this.#parser.on("error", (error) => {
      throw garbled(error.message);
    });
  }

  /** How many elements are open. */
  get depth(): number {
    return this.#frames.length;
  }

  /** In the answer's array, and in none of its elements: what comes next is one of these, or the array's end. */
  get isBetweenItems(): boolean {
    return this.#frames.length === TOP_ARRAY_DEPTH && this.#frames.at(-1)?.tag === "data";
  }

  /** @throws UpstreamError `garbled`; the reader is of no use afterwards. */
  write(piece: string): void {
    this.#parser.write(piece);
  }

  /**
   * The value of the answer; an array comes out empty, since its elements were handed on.
   * @throws UpstreamError `garbled` where the answer is not complete, `busy` or `refused` for a fault.
   */
  end(): XmlRpcValue {
    this.#parser.close();
    if (this.#fault !== undefined) throw faultError(this.#fault);
    if (this.#result === undefined) throw garbled("it holds no value");
    return this.#result;
  }

  #open(tag: string): void {
    const parent = this.#frames.at(-1);
    if (children.get(parent?.tag ?? "")?.has(tag) !== true)
      throw garbled(`<${tag.slice(0, 50)}> stands in <${parent?.tag ?? "nothing"}>`);
    if (this.#frames.length >= MAX_DEPTH) throw garbled("it is nested too deeply");
    const isSecondValue = parent?.value !== undefined && parent.tag !== "methodResponse";
    if (isSecondValue && tag !== "name") throw garbled(`<${parent.tag}> holds two values`);
    this.#frames.push({
      tag,
      text: "",
      value: undefined,
      items: undefined,
      members: undefined,
      name: undefined,
    });
  }

  #text(text: string): void {
    const frame = this.#frames.at(-1);
    if (frame === undefined) return;
    frame.text += text;
    if (frame.text.length > MAX_TEXT_LENGTH) throw garbled("a value in it is too long");
  }

  #close(): void {
    const frame = this.#frames.pop();
    const parent = this.#frames.at(-1);
    if (frame === undefined) return;
    if (children.has(frame.tag) && frame.tag !== "value" && frame.text.trim() !== "")
      throw garbled(`<${frame.tag}> holds text`);
    switch (frame.tag) {
      case "value":
        // Nil is a value too; without an element it is a string.
        this.#take(frame.value === undefined ? frame.text : frame.value, parent);
        return;
      case "data":
        setValue(parent, frame.items ?? []);
        return;
      case "array":
        setValue(parent, needValue(frame));
        return;
      case "struct":
        setValue(parent, frame.members ?? new Map());
        return;
      case "member":
        if (frame.name === undefined) throw garbled("a member has no name");
        if (parent !== undefined) {
          parent.members ??= new Map();
          parent.members.set(frame.name, needValue(frame));
        }
        return;
      case "name":
        if (parent !== undefined) parent.name = frame.text;
        return;
      case "param":
        this.#result = needValue(frame);
        return;
      case "fault":
        this.#fault = needValue(frame);
        return;
      case "params":
      case "methodResponse":
        return;
      default:
        setValue(parent, scalar(frame.tag, frame.text));
    }
  }

  #take(value: XmlRpcValue, parent: Frame | undefined): void {
    if (parent?.tag !== "data") setValue(parent, value);
    else if (this.#frames.length === TOP_ARRAY_DEPTH) this.#onItem(value);
    else {
      parent.items ??= [];
      parent.items.push(value);
    }
  }
}

function setValue(frame: Frame | undefined, value: XmlRpcValue): void {
  if (frame !== undefined) frame.value = value;
}

function needValue(frame: Frame): XmlRpcValue {
  if (frame.value === undefined) throw garbled(`<${frame.tag}> holds no value`);
  return frame.value;
}

function scalar(tag: string, text: string): XmlRpcValue {
  switch (tag) {
    case "int":
    case "i4":
    case "i8": {
      const value = Number(text);
      if (!/^\s*[+-]?\d+\s*$/.test(text) || !Number.isSafeInteger(value))
        throw garbled(`${JSON.stringify(text.slice(0, 50))} is no integer`);
      return value;
    }
    case "double": {
      const value = Number(text);
      if (text.trim() === "" || !Number.isFinite(value))
        throw garbled(`${JSON.stringify(text.slice(0, 50))} is no number`);
      return value;
    }
    case "boolean":
      if (!/^\s*[01]\s*$/.test(text)) throw garbled("a boolean in it is neither 0 nor 1");
      return text.trim() === "1";
    case "nil":
    case "ex:nil":
      return null;
    default:
      return text;
  }
}

const garbled = (why: string): UpstreamError =>
  new UpstreamError("garbled", `the XML-RPC answer cannot be read: ${why}`);

/** PyPI's answer to whoever asks too often: code -32500, "… Limit may reset in 12 seconds." */
function faultError(fault: XmlRpcValue): UpstreamError {
  const members = fault instanceof Map ? fault : new Map<string, XmlRpcValue>();
  const code = members.get("faultCode");
  const text = members.get("faultString");
  if (typeof code !== "number" || typeof text !== "string")
    return garbled("its fault has no code or no text");
  const message = `the XML-RPC service answers with fault ${code}: ${text.slice(0, 500)}`;
  if (code !== -32500) return new UpstreamError("refused", message);
  const seconds = /reset in (\d+) seconds?/i.exec(text)?.[1];
  const retryAfterMs = seconds === undefined ? undefined : boundedRetryMs(Number(seconds) * 1000);
  return new UpstreamError("busy", message, { retryAfterMs });
}
