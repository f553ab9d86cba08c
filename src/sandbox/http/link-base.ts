import { FastifyRequest } from 'fastify';
import { Backend } from '../backend.js';

/** The base URL under which the caller reaches the sandbox: its links must work for the caller. */
export function linkBase(
  { options }: Pick<Backend, 'options'>,
  request: { host: FastifyRequest['host'] },
): string {
  return options.publicUrl ?? `http://${request.host}`;
}
