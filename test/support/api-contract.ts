import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { describeApi } from '../../src/app.openapi.js';
import { isRecord } from '../../src/platform/json/is-record.js';
import type { Answer, TestGateway } from './gateway.js';

/** Checks responses against the OpenAPI description: route, status, content type, headers, and body. */
export class ApiContract {
  private readonly ajv = new Ajv2020({ strict: false, allErrors: true, validateSchema: false });
  private readonly paths: readonly { template: string; pattern: RegExp }[];

  constructor(private readonly description: Record<string, unknown>) {
    addFormats.default(this.ajv);
    this.ajv.addSchema(closeSchemas(description), 'api');
    this.paths = Object.keys(recordAt(description, 'paths'))
      .map((template) => ({
        template,
        pattern: new RegExp(`^${template.replaceAll(/\{\w+\}/g, '[^/]+')}/?$`),
      }))
      // Static segments such as `summary` before parameters such as `{id}`.
      .toSorted((a, b) => a.template.split('{').length - b.template.split('{').length);
  }

  /** Throws if the description does not contain this response. */
  check(method: string, path: string, answer: Answer): void {
    const template = this.paths.find(({ pattern }) => pattern.test(path))?.template;
    const operations = template === undefined ? {} : recordAt(this.description, 'paths', template);
    const verb = method === 'HEAD' ? 'get' : method.toLowerCase();
    const where = `${method} ${template ?? path}: ${answer.status}`;
    if (template === undefined || !isRecord(operations[verb])) {
      // Other paths and methods return a problem and are not described.
      if (!path.startsWith('/v1/')) return;
      if (![400, 401, 404, 405].includes(answer.status)) throw new Error(`${where} is unexpected`);
      this.validate(where, '#/components/schemas/Problem', answer.body);
      return;
    }
    const at = ['paths', template, verb, 'responses', String(answer.status)];
    const response = resolved(this.description, at);
    if (response === undefined)
      throw new Error(`${where} is not described: ${JSON.stringify(answer.body)}`);
    for (const [name, header] of Object.entries(recordAt(response, 'headers'))) {
      const isRequired =
        isRecord(header) &&
        (header['required'] === true ||
          ('$ref' in header && String(header['$ref']).endsWith('RequestId')));
      if (isRequired && !answer.headers.has(name))
        throw new Error(`${where} has no header ${name}`);
    }
    if (method === 'HEAD') return;
    const content = recordAt(response, 'content');
    const type = answer.headers.get('content-type')?.split(';', 1)[0] ?? '';
    if (Object.keys(content).length === 0) {
      if (answer.body !== '') throw new Error(`${where} has a body that is not described`);
      return;
    }
    if (!isRecord(content[type])) throw new Error(`${where} is ${type}, which is not described`);
    this.validate(where, pointer([...at, 'content', type, 'schema']), answer.body);
  }

  private validate(where: string, schema: string, body: unknown): void {
    const validator: ValidateFunction | undefined = this.ajv.getSchema(`api${schema}`);
    if (validator === undefined) throw new Error(`${where}: there is no ${schema}`);
    if (validator(body)) return;
    const errors = this.ajv.errorsText(validator.errors);
    throw new Error(`${where} does not match its description: ${errors}\n${JSON.stringify(body)}`);
  }
}

const contracts = new Map<string, ApiContract>();
const gateways = new Map<string, () => ApiContract>();

/** Makes `checkAnswer` validate the responses of this gateway. */
export function registerContract({
  url,
  app,
  settings,
}: Pick<TestGateway, 'url' | 'app' | 'settings'>): void {
  if (!settings.has('api')) return;
  gateways.set(url, () => {
    const description: unknown = JSON.parse(JSON.stringify(describeApi(app, settings)));
    const text = JSON.stringify(description);
    const contract =
      contracts.get(text) ?? new ApiContract(isRecord(description) ? description : {});
    contracts.set(text, contract);
    gateways.set(url, () => contract);
    return contract;
  });
}

export function checkAnswer(method: string, url: string, answer: Answer): void {
  const { origin, pathname } = new URL(url);
  gateways.get(origin)?.().check(method, pathname, answer);
}

/** Makes an undescribed field of a response an error; for clients, the schemas stay open. */
function closeSchemas(description: Record<string, unknown>): Record<string, unknown> {
  const closed = structuredClone(description);
  for (const schema of Object.values(recordAt(closed, 'components', 'schemas'))) {
    if (isRecord(schema) && schema['type'] === 'object') schema['additionalProperties'] ??= false;
  }
  return closed;
}

function recordAt(value: unknown, ...path: string[]): Record<string, unknown> {
  return resolved(value, path) ?? {};
}

function resolved(value: unknown, path: readonly string[]): Record<string, unknown> | undefined {
  const found = path.reduce<unknown>(
    (part, name) => (isRecord(part) ? part[name] : undefined),
    value,
  );
  return isRecord(found) ? found : undefined;
}

function pointer(path: readonly string[]): string {
  return `#/${path
    .map((name) => encodeURIComponent(name.replaceAll('~', '~0').replaceAll('/', '~1')))
    .join('/')}`;
}
