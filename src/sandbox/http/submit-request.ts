import { validationError } from '../api-error.js';
import { JobSwitches, jobSwitches } from '../faults/faults.js';
import { JobType, WebhookTarget } from '../jobs/job.js';
import { isJsonObject, JsonObject, objectAt, stringAt } from '../json.js';
import { Issue, readSwitches } from '../faults/switches.js';

/** Required members besides the document (fact sheet, section 2). */
const required: Record<JobType, readonly string[]> = {
  parse: [],
  extract: [],
  split: ['split_description'],
  edit: ['edit_instructions'],
  pipeline: ['pipeline_id'],
  classify: [],
};

/** Required members of the objects in list members. */
const requiredOfItems: Readonly<Record<string, readonly string[]>> = {
  split_description: ['name', 'description'],
  classification_schema: ['category', 'criteria'],
  form_schema: ['bbox', 'description', 'type'],
};

/** Returns the body as an object, or throws a 422 that lists all missing and invalid members. */
export function checkedBody(type: JobType, body: unknown): JsonObject {
  if (!isJsonObject(body)) {
    throw validationError([
      { loc: ['body'], msg: 'Input should be a valid dictionary', type: 'dict_type' },
    ]);
  }
  const document = isLegacy(type, body) ? 'document_url' : 'input';
  const schema = type === 'extract' && isLegacy(type, body) ? ['schema'] : [];
  const issues = [
    ...missingIn(body, [document, ...required[type], ...schema], ['body']),
    ...typeIssues(document, body[document]),
    ...['edit_instructions', 'pipeline_id'].flatMap((name) => stringIssues(body, name)),
    ...Object.entries(requiredOfItems).flatMap(([list, names]) => itemIssues(body, list, names)),
    ...choiceIssues(body),
    ...(type === 'pipeline' ? settingIssues(objectAt(body, 'settings')) : []),
  ];
  if (issues.length > 0) throw validationError(issues);
  return body;
}

function missingIn(
  object: JsonObject,
  names: readonly string[],
  loc: (string | number)[],
): Issue[] {
  return names
    .filter((name) => object[name] === undefined || object[name] === null)
    .map((name) => ({ loc: [...loc, name], msg: 'Field required', type: 'missing' }));
}

function stringIssues(body: JsonObject, name: string): Issue[] {
  const value = body[name];
  if (value === undefined || value === null || typeof value === 'string') return [];
  return [{ loc: ['body', name], msg: 'Input should be a valid string', type: 'string_type' }];
}

function itemIssues(body: JsonObject, list: string, names: readonly string[]): Issue[] {
  const items = body[list];
  if (items === undefined || items === null) return [];
  if (!Array.isArray(items)) {
    return [{ loc: ['body', list], msg: 'Input should be a valid list', type: 'list_type' }];
  }
  return items.flatMap((item: unknown, index) =>
    missingIn(isJsonObject(item) ? item : {}, names, ['body', list, index]),
  );
}

function choiceIssues({ queue_priority: priority }: JsonObject): Issue[] {
  const choices: unknown[] = ['auto', 'standard', 'batch', undefined, null];
  if (choices.includes(priority)) return [];
  const msg = "Input should be 'auto', 'standard' or 'batch'";
  return [{ loc: ['body', 'queue_priority'], msg, type: 'enum' }];
}

/** The only object of the API that forbids other members. */
function settingIssues(settings: JsonObject): Issue[] {
  return Object.keys(settings)
    .filter((name) => name !== 'document_password')
    .map((name) => ({
      loc: ['body', 'settings', name],
      msg: 'Extra inputs are not permitted',
      type: 'extra_forbidden',
    }));
}

/** A synchronous parse or extract with a member of the asynchronous form is queued. */
export function isQueued(
  type: JobType,
  { async: asynchronous, queue_priority }: JsonObject,
): boolean {
  const given = [asynchronous, queue_priority].some((one) => one !== undefined && one !== null);
  return given && (type === 'parse' || type === 'extract');
}

/** Legacy bodies use the same routes; edit has the legacy form only. */
export function isLegacy(type: JobType, body: JsonObject): boolean {
  return type === 'edit' || (body['input'] === undefined && body['document_url'] !== undefined);
}

function typeIssues(name: string, value: unknown): Issue[] {
  if (value === undefined || value === null || typeof value === 'string') return [];
  if (isJsonObject(value) && typeof value['file_id'] === 'string') return [];
  const list = name === 'input' && Array.isArray(value) && value.length > 0;
  if (list && value.every((item) => typeof item === 'string')) return [];
  const msg = 'Input should be a string, a list of strings or an upload';
  return [{ loc: ['body', name], msg, type: 'string_type' }];
}

export interface Callback {
  webhook: WebhookTarget | undefined;
  metadata: unknown;
  priority: boolean;
}

/**
 * v3 bodies carry the callback in `async`, edit and legacy bodies in a top-level `webhook`. As on the
 * real platform, the wrong one and `async_config` are ignored silently.
 */
export function readCallback(type: JobType, body: JsonObject): Callback {
  const legacy = isLegacy(type, body);
  const asynchronous = objectAt(body, 'async');
  const webhook = objectAt(legacy ? body : asynchronous, 'webhook');
  return {
    webhook: webhookTarget(webhook, legacy ? ['body', 'webhook'] : ['body', 'async', 'webhook']),
    metadata: legacy ? webhook['metadata'] : asynchronous['metadata'],
    priority: (legacy ? body : asynchronous)['priority'] === true,
  };
}

function webhookTarget(webhook: JsonObject, loc: string[]): WebhookTarget | undefined {
  const url = stringAt(webhook, 'url');
  const mode = webhook['mode'] ?? impliedMode(webhook);
  switch (mode) {
    case 'direct':
      if (url !== undefined && URL.canParse(url)) return { mode: 'direct', url };
      throw validationError([{ loc: [...loc, 'url'], msg: 'Field required', type: 'missing' }]);
    case 'svix': {
      const channels = webhook['channels'];
      return { mode: 'svix', channels: Array.isArray(channels) ? channels.map(String) : undefined };
    }
    case 'disabled':
    case undefined:
      return undefined;
    default:
      throw validationError([{ loc: [...loc, 'mode'], msg: 'Unknown mode', type: 'enum' }]);
  }
}

/** Without `mode`, the other members imply it. */
function impliedMode(webhook: JsonObject): string | undefined {
  if ('url' in webhook) return 'direct';
  return 'channels' in webhook ? 'svix' : undefined;
}

/**
 * The fault switches in the request. An unknown switch is a 422, so that a typo cannot disable a
 * test silently.
 */
export function readSim(body: JsonObject): JobSwitches {
  const candidates: [unknown, string[]][] = [
    [body['sim'], ['body', 'sim']],
    [objectAt(objectAt(body, 'async'), 'metadata')['sim'], ['body', 'async', 'metadata', 'sim']],
    [
      objectAt(objectAt(body, 'webhook'), 'metadata')['sim'],
      ['body', 'webhook', 'metadata', 'sim'],
    ],
  ];
  const [given, loc] = candidates.find(([value]) => value !== undefined) ?? [];
  if (given === undefined) return {};
  const read = readSwitches(jobSwitches, given, loc ?? []);
  if (!read.ok) throw validationError(read.issues);
  return read.value;
}
