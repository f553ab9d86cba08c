import { Page } from './document.js';
import { isJsonObject, JsonObject, objectAt } from '../json.js';

/** Values of `Label: value` lines by normalized label; the first line with a label wins. */
export type Labels = ReadonlyMap<string, string>;

const LABELLED_LINE = /^\W*(?<label>[\p{L}][\p{L}\p{N} ./()&'-]{0,60}?)\s*:\s*(?<value>\S.*)$/u;

export function readLabels(pages: readonly Page[]): Labels {
  const labels = new Map<string, string>();
  const lines = pages.flatMap((page) => page.blocks.flatMap((block) => block.content.split('\n')));
  for (const line of lines) {
    const { label, value } = LABELLED_LINE.exec(line)?.groups ?? {};
    if (label === undefined || value === undefined) continue;
    const key = normalize(label);
    if (!labels.has(key)) labels.set(key, value.trim());
  }
  return labels;
}

/** `Monthly rent`, `monthly_rent`, and `monthlyRent` are the same name. */
function normalize(name: string): string {
  return name.toLowerCase().replaceAll(/[^\p{L}\p{N}]/gu, '');
}

export interface Extraction {
  value: unknown;
  fields: number;
}

/**
 * Fills a JSON schema from `Label: value` lines; fields without a matching label are null. The real
 * extract uses a model instead.
 */
export function extractBySchema(schema: unknown, labels: Labels): Extraction {
  let fields = 0;
  const fill = (part: unknown, name: string): unknown => {
    if (!isJsonObject(part)) return null;
    const properties = objectAt(part, 'properties');
    if (Object.keys(properties).length > 0) return fillObject(properties);
    fields += 1;
    const found = labels.get(normalize(name));
    return found === undefined ? null : typed(found, part);
  };
  const fillObject = (properties: JsonObject): JsonObject =>
    Object.fromEntries(Object.entries(properties).map(([name, part]) => [name, fill(part, name)]));
  return { value: fill(schema, '') ?? {}, fields };
}

function typed(found: string, schema: JsonObject): unknown {
  switch (firstType(schema)) {
    case 'number':
      return numberIn(found);
    case 'integer': {
      const number = numberIn(found);
      return number === null ? null : Math.trunc(number);
    }
    case 'boolean':
      return booleanIn(found);
    case 'array':
      return found
        .split(/[;,]/u)
        .map((item) => item.trim())
        .filter((item) => item !== '')
        .map((item) => typed(item, objectAt(schema, 'items')));
    case 'object':
      return null;
    default:
      return found;
  }
}

/** `type` may be a list such as ["string", "null"]. */
function firstType(schema: JsonObject): unknown {
  const { type } = schema;
  return Array.isArray(type) ? type.find((one) => one !== 'null') : type;
}

/** `EUR 1,450.00` is 1450: a comma before exactly three digits is a group separator, any other a decimal. */
function numberIn(found: string): number | null {
  const [digits] = /-?\d[\d.,]*/u.exec(found) ?? [];
  if (digits === undefined) return null;
  const plain = digits.replaceAll(/,(?=\d{3}(?:\D|$))/gu, '').replace(',', '.');
  const number = Number.parseFloat(plain);
  return Number.isNaN(number) ? null : number;
}

function booleanIn(found: string): boolean | null {
  if (/^(?:yes|true|included|permitted|allowed)\b/iu.test(found)) return true;
  if (/^(?:no|false|none|not|excluded)\b/iu.test(found)) return false;
  return null;
}
