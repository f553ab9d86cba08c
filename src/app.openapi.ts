import { STATUS_CODES } from 'node:http';
import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import { API_PATH } from './access/authentication.js';
import { INPUT_SCHEMAS, OPEN_SCHEMAS } from './jobs/jobs-api.module.js';
import { convertSchemas } from './app.schemas.js';
import type { Settings } from './platform/config/settings.js';
import { codesOf, COMMON_PROBLEMS, problemResponses } from './platform/errors/api-problems.js';
import { ERROR_CODES, type ErrorCode } from './platform/errors/error-codes.js';
import { Problem, problemExample } from './platform/errors/problem.dto.js';
import { isRecord } from './platform/json/is-record.js';

const TAGS = {
  Jobs: 'Submit documents, follow the jobs, and read the results. Scope `jobs`.',
  Uploads: 'Upload documents that have no URL. Scope `jobs`.',
  Events:
    'Be told when jobs end: by signed requests to your endpoints, or by following the feed. Scope `jobs`.',
  Admin:
    'Jobs, endpoints, and events of all services, API keys, refused callbacks, and the audit. Scope `admin`.',
  Health: 'For health checks and Prometheus. No API key is needed.',
} as const;

const HEADERS = {
  RequestId: {
    description: 'The id of the request, as in the logs; your own `X-Request-Id` if it was valid.',
    required: true,
    schema: { type: 'string' },
  },
  RetryAfter: {
    description: 'Seconds after which a repeat of the request makes sense.',
    schema: { type: 'integer', minimum: 0 },
  },
} as const;

/** The OpenAPI 3.1 description of the API: the output of @nestjs/swagger, completed. */
export function describeApi(app: INestApplication, settings: Settings): OpenAPIObject {
  const builder = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('reducto-gateway')
    .setDescription(
      'Submit documents to Reducto and read the results. Errors are problem details (RFC 9457) with a stable `code`.',
    )
    .setVersion('1')
    .addServer(pathPrefixOf(settings), 'Relative to the address of this description.')
    .addBearerAuth({ type: 'http', scheme: 'bearer', description: 'An API key of the gateway.' });
  for (const [name, description] of Object.entries(TAGS)) builder.addTag(name, description);
  const config = builder.build();
  // The builder always adds `JWT`, which the gateway's keys are not.
  for (const scheme of Object.values(config.components?.securitySchemes ?? {})) {
    Reflect.deleteProperty(scheme, 'bearerFormat');
  }
  const document = SwaggerModule.createDocument(app, config, {
    extraModels: [Problem],
    operationIdFactory: (_controller, method) => method,
  });
  for (const [path, operations] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      if (isRecord(operation)) completeOperation(method, path, operation);
    }
  }
  const schemas = document.components?.schemas ?? {};
  for (const name of OPEN_SCHEMAS)
    Object.assign(schemas[name] ?? {}, { additionalProperties: true });
  for (const name of INPUT_SCHEMAS) {
    const oneOf = ['input', 'document_url'].map((member) => ({
      required: [member],
      properties: { [member]: {} },
    }));
    Object.assign(schemas[name] ?? {}, { oneOf });
  }
  convertSchemas(document);
  Object.assign((document.components ??= {}), {
    headers: HEADERS,
    examples: problemExamples(document),
  });
  return document;
}

/** Only the path: services may use another host than Reducto. */
function pathPrefixOf({ PUBLIC_URL }: Settings): string {
  return PUBLIC_URL?.pathname.replace(/\/+$/, '') || '/';
}

/** Adds the responses and headers that all routes have in common. */
function completeOperation(method: string, path: string, operation: Record<string, unknown>): void {
  const responses: Record<string, unknown> = isRecord(operation['responses'])
    ? operation['responses']
    : {};
  if (path.startsWith(API_PATH)) {
    const codes = Object.values(responses).flatMap(codesOf);
    const all = problemResponses([
      ...codes,
      ...COMMON_PROBLEMS,
      ...impliedProblems(method, path, operation),
    ]);
    for (const [status, response] of all) responses[status] = response;
  } else operation['security'] = [];
  for (const [status, response] of Object.entries(responses)) {
    if (!isRecord(response)) continue;
    response['headers'] = headersOf(status, response);
    response['description'] ||= STATUS_CODES[status];
  }
  operation['responses'] = responses;
}

function impliedProblems(
  method: string,
  path: string,
  { parameters }: Record<string, unknown>,
): ErrorCode[] {
  const inQuery =
    Array.isArray(parameters) && parameters.some((one) => isRecord(one) && one['in'] === 'query');
  return [
    // For an id that is too long.
    ...(path.includes('{') ? (['not_found'] as const) : []),
    ...(path.startsWith('/v1/jobs/{id}') ? DELETED_PROBLEMS : []),
    ...(inQuery ? (['invalid_query'] as const) : []),
    ...(method === 'get' ? [] : BODY_PROBLEMS),
  ];
}

const DELETED_PROBLEMS = ['job_deletion_in_progress', 'job_deleted'] as const satisfies ErrorCode[];

/** Problems of every method that can have a body. */
const BODY_PROBLEMS = [
  'request_timeout',
  'payload_too_large',
  'unsupported_media_type',
] as const satisfies ErrorCode[];

function headersOf(status: string, response: Record<string, unknown>): Record<string, unknown> {
  const retries =
    status === '429' || status === '503' || codesOf(response).includes('idempotency_key_in_use');
  return {
    'X-Request-Id': { $ref: '#/components/headers/RequestId' },
    ...(retries ? { 'Retry-After': { $ref: '#/components/headers/RetryAfter' } } : {}),
    ...(status === '416'
      ? { 'Content-Range': { required: true, schema: { type: 'string' } } }
      : {}),
    ...(status === '401' ? { 'WWW-Authenticate': { schema: { type: 'string' } } } : {}),
    ...(isRecord(response['headers']) ? response['headers'] : {}),
  };
}

function problemExamples(document: OpenAPIObject): Record<string, unknown> {
  const used = new Set(
    Object.values(document.paths)
      .flatMap((operations) => Object.values(operations))
      .flatMap((operation: unknown) =>
        isRecord(operation) && isRecord(operation['responses'])
          ? Object.values(operation['responses'])
          : [],
      )
      .flatMap(codesOf),
  );
  return Object.fromEntries(
    [...used].map((code) => [
      code,
      { summary: ERROR_CODES[code].title, value: problemExample(code) },
    ]),
  );
}
