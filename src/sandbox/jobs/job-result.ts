import { Page } from '../documents/document.js';
import { extractBySchema, readLabels } from '../documents/extract-result.js';
import { Job, JobResult, OuterContext } from './job.js';
import { isJsonObject, JsonObject, objectAt } from '../json.js';
import { classifyResult, splitResult } from '../documents/page-matching.js';
import { FullResult, fullResult } from '../documents/parse-result.js';
import { StoredFile } from '../documents/upload-store.js';

type Shape = Pick<JobResult, 'inner' | 'outer'>;

export function buildResult(
  job: Job,
  pages: readonly Page[],
  file: StoredFile | undefined,
): JobResult {
  const shape = shapeOf(job, pages);
  return { pages, file, ...shape, innerBytes: Buffer.byteLength(JSON.stringify(shape.inner)) };
}

/** Shapes from the OpenAPI document and SDK 0.16.0 (fact sheet 4.3). */
function shapeOf(job: Job, pages: readonly Page[]): Shape {
  const { id, body } = job;
  switch (job.type) {
    case 'parse':
      return { inner: fullResult(pages), outer: (inner, at) => parseOuter(id, inner, at) };
    case 'extract':
      return extractShape(job, pages);
    case 'split':
      return {
        inner: splitResult(body, pages),
        outer: (inner, at) => ({ result: inner, usage: usage(at) }),
      };
    case 'edit':
      return { inner: null, outer: (_inner, at) => editOuter(body, at) };
    case 'pipeline':
      return {
        inner: fullResult(pages),
        outer: (inner, at) => ({
          job_id: id,
          usage: usage(at),
          result: { parse: parseOuter(id, inner, at), extract: null, split: null, edit: null },
        }),
      };
    case 'classify':
    default: {
      const { result, response_confidence } = classifyResult(body, pages);
      return {
        inner: result,
        outer: (inner, { durationSeconds }) => ({
          job_id: id,
          result: inner,
          response_confidence,
          duration: durationSeconds,
        }),
      };
    }
  }
}

export function isFullResult(inner: unknown): inner is FullResult {
  return isJsonObject(inner) && inner['type'] === 'full' && Array.isArray(inner['chunks']);
}

function parseOuter(jobId: string, inner: unknown, at: OuterContext): JsonObject {
  return {
    job_id: jobId,
    duration: at.durationSeconds,
    usage: usage(at),
    result: inner,
    pdf_url: null,
    studio_link: null,
  };
}

function editOuter(body: JsonObject, at: OuterContext): JsonObject {
  const { form_schema: formSchema } = body;
  return {
    document_url: at.documentUrl(),
    form_schema: Array.isArray(formSchema) ? formSchema : null,
    usage: usage(at),
  };
}

/** A legacy request (`document_url` and `schema`) gets the legacy response: always a list. */
function extractShape({ id, body }: Job, pages: readonly Page[]): Shape {
  const legacy = !('input' in body);
  const schema = legacy ? body['schema'] : objectAt(body, 'instructions')['schema'];
  const { value, fields } = extractBySchema(schema, readLabels(pages));
  return {
    inner: legacy ? [value] : value,
    outer: (inner, at) => ({
      result: inner,
      ...(legacy && { citations: null }),
      usage: { ...usage(at), num_fields: fields },
      job_id: id,
      studio_link: null,
    }),
  };
}

/** One credit per page; real prices depend on the options. */
function usage({ numPages }: OuterContext): JsonObject {
  return { num_pages: numPages, credits: numPages };
}
