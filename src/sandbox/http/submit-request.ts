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

/** Returns the body as an object, or throws a 422 that lists all missing and invalid members. */
export function checkedBody(type: JobType, body: unknown): JsonObject {
  if (!isJsonObject(body)) {
    throw validationError([
      { loc: ['body'], msg: 'Input should be a valid dictionary', type: 'dict_type' },
    ]);
  }
  const document = isLegacy(type, body) ? 'document_url' : 'input';
  const missing = [document, ...required[type]]
    .filter((name) => body[name] === undefined || body[name] === null)
    .map((name) => ({ loc: ['body', name], msg: 'Field required', type: 'missing' }));
  const issues: Issue[] = [...missing, ...typeIssues(document, body[document])];
  if (issues.length > 0) throw validationError(issues);
  return body;
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
