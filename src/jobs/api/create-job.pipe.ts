import { Injectable, type PipeTransform } from '@nestjs/common';
import { getMetadataStorage, validate } from 'class-validator';
import { GatewayError, type FieldError } from '../../platform/errors/error-codes.js';
import { cutName, fieldErrors, MAX_FIELD_ERRORS } from '../../platform/errors/field-errors.js';
import { FairTurns } from '../../platform/fair-turns.js';
import type { JsonBody } from '../../platform/http/json-body.decorator.js';
import { isRecord } from '../../platform/json/is-record.js';
import { removeMembers } from '../../platform/json/json-edits.js';
import { readMembersFairly, type JsonMember } from '../../platform/json/json-members.js';
import { classificationErrors, splitDescriptionErrors } from './create-job.validators.js';
import { METADATA_BYTES, REQUEST_CLASSES, type CreateJobDto } from './create-job.dto.js';
import { JOB_TYPES, type JobType } from '../job-type.js';
import type { JobRequest } from '../jobs.service.js';
import { findReferences, MAX_REFERENCES, type JobReference } from '../submission/job-references.js';

/** Members that the gateway does not send to Reducto. */
const OWN_MEMBERS = new Set(['type', 'metadata', 'priority', 'channels']);
/** A classify job has a `priority` of its own, which is true by default. */
const OWN_MEMBERS_OF_CLASSIFY = new Set(['type', 'metadata', 'channels']);

const DOCUMENT_MEMBERS = ['input', 'document_url'] as const;

/** Members that can refer to earlier jobs. */
const REFERRING_MEMBERS = {
  parse: DOCUMENT_MEMBERS,
  extract: DOCUMENT_MEMBERS,
  split: DOCUMENT_MEMBERS,
  edit: [],
  classify: [],
  pipeline: DOCUMENT_MEMBERS,
} as const satisfies Record<JobType, readonly string[]>;

/** Names of the validated fields, by job type. */
const FIELDS = new Map(
  JOB_TYPES.map((type) => {
    const request = REQUEST_CLASSES[type];
    const rules = getMetadataStorage().getTargetValidationMetadatas(request, '', false, false);
    return [type, new Set(rules.map(({ propertyName }) => propertyName))];
  }),
);

/**
 * Validates the gateway’s own fields and those that Reducto requires. All others pass through as text, so that new
 * fields of Reducto work and no value changes.
 */
@Injectable()
export class CreateJobPipe implements PipeTransform<JsonBody, Promise<JobRequest>> {
  async transform({ value, text }: JsonBody): Promise<JobRequest> {
    if (!isRecord(value)) throw new GatewayError('validation_failed', 'Send a JSON object.');
    const type = JOB_TYPES.find((known) => known === value['type']);
    if (type === undefined) {
      const message = `must be one of ${JOB_TYPES.join(', ')}`;
      throw invalid([{ path: 'type', message }]);
    }
    const turns = new FairTurns();
    await turns.pause();
    const members = await readMembersFairly(text);
    const metadata = metadataOf(text, members);
    await turns.pause();
    const keepsPriority = type === 'classify' && typeof value['priority'] === 'boolean';
    const ownMembers = keepsPriority ? OWN_MEMBERS_OF_CLASSIFY : OWN_MEMBERS;
    const body = removeMembers(text, members, ownMembers);
    await turns.pause();
    const references = await findReferences(body);
    await turns.pause();
    const errors = [
      ...fieldErrors(await validate(checkedPart(type, value))),
      ...(type === 'split' ? splitDescriptionErrors(value['split_description']) : []),
      ...(type === 'classify' ? classificationErrors(value['classification_schema']) : []),
      ...repeatedFields(type, members),
      ...sizeErrors(metadata),
      ...misplacedReferences(type, references),
    ];
    if (errors.length > 0) throw invalid(errors.slice(0, MAX_FIELD_ERRORS));
    const priority = value['priority'] === true;
    return { type, priority, metadata, channels: channelsOf(value), body, references, text };
  }
}

function invalid(errors: readonly FieldError[]): GatewayError {
  return new GatewayError('validation_failed', undefined, { errors });
}

/** Copies only validated fields, so that class-validator does not walk free-form values. */
function checkedPart(type: JobType, value: Record<string, unknown>): CreateJobDto {
  const fields = [...(FIELDS.get(type) ?? [])].map((name) => [name, value[name]] as const);
  return Object.assign(new REQUEST_CLASSES[type](), Object.fromEntries(fields));
}

/** JSON parsers differ in which of two members with one name they use. */
function repeatedFields(type: JobType, members: readonly JsonMember[]): FieldError[] {
  const fields = FIELDS.get(type);
  const counts = Map.groupBy(members, ({ name }) => name);
  return [...counts]
    .filter(([name, { length }]) => length > 1 && fields?.has(name) === true)
    .map(([path]) => ({ path, message: 'is given more than once' }));
}

function metadataOf(text: string, members: readonly JsonMember[]): string | null {
  const span = members.findLast(({ name }) => name === 'metadata')?.value;
  const metadata = span === undefined ? 'null' : text.slice(span.start, span.end);
  return metadata === 'null' ? null : metadata;
}

/** The validated channels, each once. */
function channelsOf({ channels }: Record<string, unknown>): string[] | null {
  if (!Array.isArray(channels) || channels.length === 0) return null;
  return [...new Set(channels.map(String))];
}

function sizeErrors(metadata: string | null): FieldError[] {
  if (metadata === null || Buffer.byteLength(metadata) <= METADATA_BYTES) return [];
  return [{ path: 'metadata', message: `must be at most ${METADATA_BYTES} bytes of JSON` }];
}

/** An untranslated `jobid://` could reach the job of another service. */
function misplacedReferences(type: JobType, references: readonly JobReference[]): FieldError[] {
  if (references.length > MAX_REFERENCES) {
    return [{ path: 'input', message: `refers to more than ${MAX_REFERENCES} jobs` }];
  }
  const members: readonly unknown[] = REFERRING_MEMBERS[type];
  const misplaced = references.find(({ path }) => !members.includes(path[0]));
  if (misplaced === undefined) return [];
  const message =
    members.length === 0
      ? `cannot contain a jobid://, because Reducto’s ${type} cannot use the result of a job`
      : 'cannot contain a jobid://; only the document can';
  return [{ path: cutName(misplaced.path.join('.')), message }];
}
